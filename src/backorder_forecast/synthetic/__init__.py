"""A made-up company, simulated day by day, whose truth is known. Returns tables and truth; writes nothing.

What the simulation assumes, exactly
====================================

Days are whole calendar days; ``spec.start`` is day 0 (2024-07-01, a Monday). An SKU is an item at a
location.

**Working day.** Monday to Friday less the holidays in ``calendar`` (one calendar for all locations; it
reaches 400 days beyond the last day). Receipts land, goods are committed to picking and leave, and
purchases are placed on working days only. Customers order, cancel and change their lines on any day.

**A day goes**

1. *receipts* (and purchase cancellations, scrap, returns, counts): units are in stock before anything
   else;
2. *cancellations*, then *changes* of order lines;
3. *new order lines*, and lines whose wanted day is today, join their SKU's queue;
4. *allocation* on every calendar day, *commits* on working days, *shipments*;
5. *reorder decisions*.

**Wanted.** ``wanted = max(order day, requested_date)``; a missing or past requested date means the order
day. A line that is not yet wanted is not in the queue: it reserves nothing and holds nobody up.

**Service order** of an SKU: (priority, wanted day, ordered_at, sequence, line_id in natural order). No
two orders share an ``ordered_at``. In the base regime every priority is 0.

**Allocation.** The pool is on_hand - held, where held units are those committed but not yet gone and
those of firm lines. In service order each waiting line reserves min(need, what is left of the pool),
need being its quantity - committed - cancelled. Reservations last for the day only: tomorrow they are
made anew.

- A line *in pieces* (``allow_partial``, and not of a ship-complete order) commits on a working day
  whatever it got.
- A *whole* line (``allow_partial`` false) commits on a working day if its whole need is reserved, else
  nothing.
- A line of a *ship-complete* order (two or more lines, different items, one location, one requested
  date) that has its whole need reserved becomes *firm*, on any calendar day: its units leave the pool
  for good. On the first working day on which every line of the order that has not cancelled is firm, the
  order commits.

**Handling.** What is committed on working day t leaves on the h-th working day after t (h = 0: the same
day). h is drawn once for each line, independently, from its location's law; all lines of a ship-complete
order take that of the order's first line, and all pieces of a line have the same. Units are in
``on_hand`` until they leave. The laws: 0, 1, 2 days with chances .85, .12, .03 at the first location,
.65, .25, .10 at the second.

**Patience.** A line that is wanted and has open uncommitted units cancels with constant hazard
``spec.cancel_hazard`` on each calendar day after its wanted day (step 2; the first chance is the day
after), whether or not the goods arrived that morning. Committed pieces still leave; the rest is
cancelled. A firm line can cancel until its order commits: its units go back into the pool. Lines cancel
one by one, even within an order; an order that loses a line leaves with the others.

**The ghost** of a cancelled line keeps its place and consumes nothing. In its turn on each day it is
*offered* what is then left of the pool plus ``passed``: the units which lines behind it have committed
or made firm since it cancelled (less what such a firm line gave back). It is ready when offered ≥ need
(a line of a ship-complete order: on any day; other lines: on a working day), and leaves then, after its
own h. A ghost of a ship-complete order leaves when it is ready and every other line of its order that
has not cancelled is firm, committed or gone. A line that was firm when it cancelled counts as ready at
once. Cancelled lines of the same order do not wait for each other. Each ghost stands alone: other ghosts
consume nothing.

**Changes.** While nothing of it is committed or firm, a line is changed once at most, with constant
hazard ``spec.change_hazard`` (0.2 %) a day from the day after the order: 70 % a new quantity (0.4 to 1.6
times, at least 1), 30 % a later requested date (3-21 days after today or, if later, its wanted day;
never in a ship-complete order). Both keep ``ordered_at``; a new wanted day is a new place in the queue.
Ghosts do not change.

**Demand.** Lines of an SKU on a day: negative binomial with mean level x weekday x season x promotion,
zero before ``introduced_date`` and from ``discontinued_date`` on; quantities geometric from 1.
Independent over SKUs and days. Lines of a day and location are grouped at random into orders.

**Lost demand** (``unmet_demand = "lost"``): at step 3, in order of arrival, such a line takes min(qty,
pool) at once; the taken quantity is the ordered quantity in the tables, committed on the next working
day (today if working), and what was not taken leaves no trace. These lines never wait for goods, cancel,
change, or belong to orders of several lines.

**Purchases.** Step 5, on working days that are review days: (date - Monday 1970-01-05) in days is a
multiple of ``review_days``. Inventory position = on_hand + on order (stuck purchases included) - open
quantity of all lines (not yet wanted ones included). ``rQ``: if position ≤ r, the fewest packs of Q that
lift it above r. ``sS``: if position ≤ s, S - position; ``base_stock``: S - position if positive; both
rounded up to ``pack_size``. None before 30 days before ``introduced_date``, none from
``discontinued_date`` on.

A purchase's fate is drawn when it is placed: *normal*; *split* (15 %, if qty ≥ 2): 30-80 % first, the
rest a geometric number of days (from 1, mean 10, cut at 61) after the first receipt; *cancelled* (2 %)
5 + geometric (from 1, mean 25; 300 at most) days after the order, and then the position falls; *stuck*
(0.5 %): nothing ever comes, and the position never learns of it. The lead time to
the first receipt is gamma or lognormal by supplier, its mean scaled by the item, discretised to whole
calendar days ≥ 1 from the order day, then rolled forward to a working day (as is the second receipt).
Lead times are independent. Stated dates are optimistic (0.8-1 of the mean), and what is stated later
tells nothing about the arrival.

**Policies** are set badly on purpose for a third of the SKUs (reorder point at most half of the demand
over the lead time, looked at every 1, 7, 14 or 28 days); a few are revised in the first year (a second
row in ``policies``, whose ``stated_at`` is the first day on which it decides).

**Stock rows** are weekly, at the end of the day, and equal opening + receipts + movements - shipments.

Regimes that our own simulation does not assume
===============================================

``dispatch_delays``: on 8 % of working days a location commits nothing, and a line that had to wait takes
1-5 more working days with chance 25 %. ``queue_jumps``: on 5 % of the days on which an SKU's queue is
served anew, a random waiting line is served first. ``count_corrections``: counts change the stock of 8 %
of SKUs each week by up to a tenth. ``late_booking``: 40 % of receipts are booked 1-5 days after the
goods were there and used. ``edited_quantities``: change hazard 3 % a day. ``common_delays``: now and
then nothing comes from a supplier for weeks; what was due arrives at the end. ``drift``: demand +50 %,
lead times +35 % over the two years.

Continuing
==========

``company.at(day)`` is the complete state at the end of a day. Continued, everything not yet seen is
drawn anew from its true law given what has been seen: fates and lead times of open purchases given their
age and what has come, patience and changes (memoryless), handling (given that it has not left yet),
demand, new purchases. :func:`true_ship_days` does this many times and so samples the true law of each
open line's date.
"""

from .company import Company, Moment, sample_tables, simulate_company, true_ship_days
from .spec import REGIMES, Spec, regime, sample_spec

__all__ = [
    "REGIMES",
    "Company",
    "Moment",
    "Spec",
    "regime",
    "sample_spec",
    "sample_tables",
    "simulate_company",
    "true_ship_days",
]
