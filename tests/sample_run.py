"""The sample company run once, quickly, for all tests of a process that only read the run."""

from functools import cache

import backorder_forecast as bf

QUICK = {"simulation": {"scenarios": 60, "horizon_days": 90}, "replay": {"days": 0}, "lead_time": {"rehearsals": 0}}


@cache
def sample_data() -> bf.Dataset:
    return bf.load("data/sample", config=bf.Config(**QUICK))


@cache
def sample_run() -> bf.Run:
    return bf.run(sample_data(), seed=3)
