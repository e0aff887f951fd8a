"""When is a waiting line covered, first come, first served? In plain Python: the meaning of `core/first_come*.py`.

Units that come serve the lines in their order; what lines before it need comes first, a hole in the stock before all.
Nobody cancels. A line may leave on the first day that is open to it, on or after the day on which its last unit came.
"""

from itertools import product


def cover_day(stock, needs, receipts, place):
    """The first day on which stock and receipts so far reach the line at this place of the queue; None: never.

    receipts: [(day, units)]; 0: stock covers it.
    """
    wanted = sum(needs[: place + 1])
    for day in sorted({0, *(when for when, _ in receipts)}):
        if stock + sum(units for when, units in receipts if when <= day) >= wanted - 1e-9:
            return day
    return None


def leaves(covered, wanted, open_days, horizon):
    """The first open day on or after being covered and wanted; horizon + 1: not within it."""
    if covered is None:
        return horizon + 1
    return min((day for day in open_days if day >= max(covered, wanted) and day <= horizon), default=horizon + 1)


def cover_law(stock, needs, purchases, place, days):
    """P(covered by day) for each of the days 0…, summing over all that purchases may have brought by then.

    purchases: for each one the parts that it may have brought, [(units, [P(exactly these by day 1), …])].
    """
    wanted = sum(needs[: place + 1])
    law = [1.0 if stock >= wanted - 1e-9 else 0.0]
    for t in range(days):
        total = 0.0
        for brought in product(*([None, *parts] for parts in purchases)):
            chance, units = 1.0, stock
            for part, parts in zip(brought, purchases, strict=True):
                chance *= part[1][t] if part else 1.0 - sum(x[1][t] for x in parts)
                units += part[0] if part else 0.0
            total += chance * (units >= wanted - 1e-9)
        law.append(total)
    return law
