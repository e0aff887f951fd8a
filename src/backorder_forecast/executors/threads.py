"""Threads over partitions. The kernels release the lock, and partitions write disjoint rows."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np


def partitions(cost: np.ndarray, parts: int) -> list[tuple[int, int]]:
    """Cut 0…len(cost) into at most `parts` ranges of about equal cost.

    >>> partitions(np.array([1, 1, 4, 1, 1]), 2)
    [(0, 3), (3, 5)]
    """
    total = np.cumsum(cost)
    if not total.size:
        return []
    cuts = np.searchsorted(total, total[-1] * np.arange(1, parts) / parts) + 1
    edges = np.unique(np.concatenate([[0], np.minimum(cuts, total.size), [total.size]]))
    return [(int(a), int(b)) for a, b in pairwise(edges)]


def run_partitions(work: Callable[[int, int], None], cost: np.ndarray, jobs: int) -> None:
    """Call work(start, stop) for every range; `jobs` threads (0: all cores). Errors are raised here."""
    jobs = jobs or os.cpu_count() or 1
    if jobs == 1:
        work(0, len(cost))
        return
    with ThreadPoolExecutor(jobs) as pool:
        # more ranges than threads, so that a costly one does not keep the others waiting
        for done in [pool.submit(work, a, b) for a, b in partitions(cost, 4 * jobs)]:
            done.result()
