"""Sets of days: against Python's own sets; and draws compared as bits, against draws compared as numbers."""

import numba
import numpy as np
import pytest

from backorder_forecast.core import chance, day_sets
from backorder_forecast.core._by_reference import by_reference


@numba.njit
def work(days, what, day):
    if what == 0:
        day_sets.mark(days, day)
    if what == 1:
        day_sets.unmark(days, day)
    return day_sets.marked(days, day), day_sets.next_marked(days, day)


def test_sets_of_days_are_sets():
    rng = np.random.default_rng(1)
    for words in (1, 3):
        days, expected = np.zeros(words, np.uint64), set()
        for _ in range(2000):
            what, day = int(rng.integers(3)), int(rng.integers(64 * words))
            if what == 0:
                expected.add(day)
            if what == 1:
                expected.discard(day)
            later = [x for x in expected if x >= day]
            assert work(days, what, day) == (day in expected, min(later, default=64 * words))


def test_a_day_beyond_the_set_has_none_after_it():
    assert work.py_func is not None
    assert numba.njit(lambda x, d: day_sets.next_marked(x, d))(np.ones(2, np.uint64), 128) == 128


def number(bits):
    return (float(bits >> 11) + 0.5) / 2.0**53


@pytest.mark.parametrize(
    "level", [0.0, 1e-300, 2.0**-54, 2.0**-53, 1e-9, 0.1, 0.25, 0.5, 0.7300000000000001, 1 - 2.0**-53, 1.0, 3.0, -1.0]
)
def test_a_limit_parts_the_draws_where_the_level_does(level):
    above, below = int(chance.limit_above(level)), int(chance.limit_below(level))
    largest, never = 2**64 - 1, 2**64 - 1
    near = {0, 2047, 2048, largest, above, max(above - 1, 0), largest - below, min(largest - below + 1, largest)}
    for bits in near | {int(level * 2.0**64) & largest, 1 << 63}:
        if above != never:
            assert (bits >= above) == (number(bits) > level), bits
        if below != never:
            assert ((bits ^ largest) >= below) == (number(bits) < level), bits
    if above == never:
        assert number(largest) <= level
    if below == never:
        assert number(0) >= level


def test_a_tuple_in_memory_reads_like_the_tuple():
    from collections import namedtuple

    pair = namedtuple("pair", "rows few")

    def total(p):
        q = by_reference(p)
        q.rows[1, 0] += q.few
        return q.rows[1, 0] + q.rows[1, 2] + q.rows.shape[1]

    rows = np.arange(6.0).reshape(2, 3)
    assert numba.njit(_nrt=False)(total)(pair(rows, 5)) == 16.0
    assert rows[1, 0] == 8.0
    with pytest.raises(Exception, match="counts no references"):
        numba.njit(total)(pair(rows, 5))
