"""Purchases and receipts to lead-time laws on whole days, and the future of what is open now.

`durations`: how long each purchase took to its next receipt, or has waited so far (right-censored), in days since it
was ordered; a receipt after days on which nothing is received may have been ready on any of them. `once`: one law for
each supplier, stretched by item, by place, by when it was ordered and by what was stated, each shrunk to none. `laws`:
what the fitted law says of new orders and, given the age each has reached, of open purchases. A first receipt brings
everything or, with a learned chance, a part; the rest follows after a gap with a law of its own. Purchases are
cancelled at a constant learned rate. `transfers`: goods between our own places, as purchases of another kind.
`closures`: time counted without the days on which a supplier is shut. `rehearsal`: past days forecast again, by which
`fit` chooses how much of the past counts, corrects the laws of open purchases, and learns how far those of one supplier
are late together.
"""

from .fit import fit_lead_times
from .laws import LeadTimes
from .transfers import supplied, transfers_of

__all__ = ["LeadTimes", "fit_lead_times", "supplied", "transfers_of"]
