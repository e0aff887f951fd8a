"""Uniform draws that are pure functions of what they are for, and the few laws that are sampled in kernels.

A draw is `uniform(key, scenario, index)`: the key already mixes seed, stream and the entity's text (see
`backorder_forecast.streams`), so neither the order of rows nor other entities can change it. The mixer is the
finaliser of SplitMix64 (Steele, Lea, Flood 2014), applied twice over a Weyl sequence.
"""

import math

import numpy as np

from ._compile import kernel

_WEYL = np.uint64(0x9E3779B97F4A7C15)
_STEP = np.uint64(0xD1342543DE82EF95)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_DRAWS = 9007199254740992  # 2**53
_TO_UNIT = 1.0 / _DRAWS
BUCKETS = 256  # of the guide to a law
_LARGEST = np.uint64(0xFFFFFFFFFFFFFFFF)


@kernel("uint64(uint64)")
def mix(z: np.uint64) -> np.uint64:
    """Scramble 64 bits (a bijection)."""
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    return z ^ (z >> _S31)


@kernel("uint64(uint64, int64)")
def scenario_key(key: np.uint64, scenario: int) -> np.uint64:
    """What the draws of one key in one scenario have in common."""
    return mix(key + np.uint64(scenario + 1) * _WEYL)


@kernel("float64(uint64)")
def to_unit(bits: np.uint64) -> float:
    """A number in (0, 1) from 64 scrambled bits."""
    return (float(np.int64(bits >> _S11)) + 0.5) * _TO_UNIT


@kernel("float64(uint64, int64)")
def draw(scenario_key: np.uint64, index: int) -> float:
    """`uniform` from what :func:`scenario_key` gives."""
    return to_unit(mix(scenario_key + np.uint64(index + 1) * _STEP))


@kernel("float64(uint64, int64, int64)")
def uniform(key: np.uint64, scenario: int, index: int) -> float:
    """A number in (0, 1) for this key, scenario and index."""
    return draw(scenario_key(key, scenario), index)


@kernel("int64(float64)")
def _draws_within(level: float) -> int:
    """How many of the 2**53 draws that there are, are at most this level."""
    level = min(max(level, 0.0), 1.0)
    count = int(level / _TO_UNIT)
    return count + (1 if count < _DRAWS and (float(count) + 0.5) * _TO_UNIT <= level else 0)


@kernel("uint64(float64)")
def limit_above(level: float) -> np.uint64:
    """From which of its 64 bits on, as a number, a draw is above the level; where none is, the largest number."""
    count = _draws_within(level)
    return np.uint64(count) << _S11 if count < _DRAWS else _LARGEST


@kernel("uint64(float64)")
def limit_below(level: float) -> np.uint64:
    """The same for a draw below the level, its bits turned round."""
    count = _draws_within(np.nextafter(level, -1.0))
    return np.uint64(_DRAWS - count) << _S11 if count > 0 else _LARGEST


@kernel("uint64[:](uint64, uint64[:])")
def combine(salt: np.uint64, keys: np.ndarray) -> np.ndarray:
    """Keys of a stream: every entity's hash mixed with the stream's salt; shape as `keys`."""
    out = np.empty_like(keys)
    for i in range(keys.size):
        out[i] = mix(keys[i] ^ mix(salt))
    return out


@kernel("uint64[:](uint8[:], int64[:])", lazy=True)
def hash_texts(data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """FNV-1a over the UTF-8 bytes of each text, finalised; `offsets` has one entry more than texts."""
    out = np.empty(offsets.size - 1, np.uint64)
    for i in range(out.size):
        h = np.uint64(0xCBF29CE484222325)
        for j in range(offsets[i], offsets[i + 1]):
            h = (h ^ np.uint64(data[j])) * np.uint64(0x100000001B3)
        out[i] = mix(h)
    return out


@kernel("float64(float64)")
def _acklam_tail(q: float) -> float:
    top = ((((-7.784894002430293e-03 * q - 3.223964580411365e-01) * q - 2.400758277161838e00) * q
            - 2.549732539343734e00) * q + 4.374664141464968e00) * q + 2.938163982698783e00  # fmt: skip
    bottom = (((7.784695709041462e-03 * q + 3.224671290700398e-01) * q + 2.445134137142996e00) * q
              + 3.754408661907416e00) * q + 1.0  # fmt: skip
    return top / bottom


@kernel("float64(float64)")
def normal_quantile(p: float) -> float:
    """Inverse normal distribution function, Acklam's rational approximation (relative error below 1.2e-9)."""
    if p < 0.02425:
        q = math.sqrt(-2.0 * math.log(p))
        return _acklam_tail(q)
    if p > 1.0 - 0.02425:
        q = math.sqrt(-2.0 * math.log(1.0 - p))
        return -_acklam_tail(q)
    q = p - 0.5
    r = q * q
    top = ((((-3.969683028665376e01 * r + 2.209460984245205e02) * r - 2.759285104469687e02) * r
            + 1.383577518672690e02) * r - 3.066479806614716e01) * r + 2.506628277459239e00  # fmt: skip
    bottom = ((((-5.447609879822406e01 * r + 1.615858368580409e02) * r - 1.556989798598866e02) * r
               + 6.680131188771972e01) * r - 1.328068155288572e01) * r + 1.0  # fmt: skip
    return q * top / bottom


@kernel("float64(float64, float64, float64, float64)")
def _large_count(mean: float, variance: float, theta: float, u: float) -> float:
    z = normal_quantile(u)
    sd = math.sqrt(variance)
    skewness = (1.0 + theta) / (1.0 - theta) / sd
    return max(0.0, math.floor(mean + sd * (z + skewness * (z * z - 1.0) / 6.0) + 0.5))


@kernel("float64(float64, float64, float64, float64, float64, float64)")
def count_from(n: float, p: float, total: float, size: float, theta: float, u: float) -> float:
    """The u-quantile of a negative binomial, from a count n up to which it is not; p: P(n), total: P(up to n)."""
    mean = size * theta / (1.0 - theta)
    while u > total:
        p *= theta * (n + size) / (n + 1.0)
        n += 1.0
        total += p
        if p < 1e-17 and n > mean:
            break
    return n


@kernel("float64(float64, float64, float64)")
def negative_binomial(size: float, theta: float, u: float) -> float:
    """The u-quantile of a negative binomial with mean size·theta/(1−theta) and variance mean/(1−theta).

    Sums of such counts with one theta are again of this kind, their sizes added. Walks up from zero; where
    P(0) underflows (means in the hundreds at least) a Cornish-Fisher expansion with the skewness is exact
    enough.
    """
    if size <= 0.0 or theta <= 0.0:
        return 0.0
    log_zero = size * math.log1p(-theta)
    mean = size * theta / (1.0 - theta)
    if log_zero < -600.0:
        return _large_count(mean, mean / (1.0 - theta), theta, u)
    p = math.exp(log_zero)
    return count_from(0.0, p, p, size, theta, u)


@kernel("int64(float64, float64, int64)")
def geometric(u: float, hazard: float, never: int) -> int:
    """The day (1, 2, …) on which something with a constant daily hazard happens; `never` if not before it."""
    if hazard <= 0.0:
        return never
    days = 1.0 + math.floor(math.log(u) / math.log1p(-min(hazard, 0.999999)))
    return never if days >= never else int(days)


@kernel("int64(float64[::1], int64, float64, int64)")
def wait(law: np.ndarray, age: int, u: float, never: int) -> int:
    """The day (1, 2, …) from now on which a wait of `age` days ends; `never` if not before it.

    law: −log P(a wait is longer than so many days), from day 0 on; where it does not change, no wait ends.
    """
    target = law[age] - math.log(u)
    low, high = age + 1, min(age + never, law.size)
    end = high
    while low < high:
        middle = (low + high) // 2
        if law[middle] > target:
            high = middle
        else:
            low = middle + 1
    return never if low >= end else low - age


@kernel("int64(float64[:], float64)")
def find_day(cdf: np.ndarray, u: float) -> int:
    """Smallest index with cdf ≥ u; len(cdf) if the law has less mass than u (it happens later, or never)."""
    at, left = 0, cdf.size
    while left > 1:  # halves without a branch that would have to be guessed
        half = left // 2
        at += half if cdf[at + half - 1] < u else 0
        left -= half
    return at + 1 if left == 1 and cdf[at] < u else at


@kernel("void(float64[:], int64[:])")
def set_guide(cdf: np.ndarray, guide: np.ndarray) -> None:
    """Indexed search (Chen and Asau 1974): where looking for a chance begins, `guide` [BUCKETS]."""
    i = 0
    for b in range(BUCKETS):
        while i < cdf.size and cdf[i] < b / BUCKETS:
            i += 1
        guide[b] = i


@kernel("int64(float64[:], int64[:], float64)")
def guided_day(cdf: np.ndarray, guide: np.ndarray, u: float) -> int:
    """The same as :func:`find_day`, which looks at log₂ of the days and not, as here, at one or two."""
    at = guide[int(u * BUCKETS)]
    while at < cdf.size and cdf[at] < u:
        at += 1
    return at


@kernel("void(float64[:, :], uint64[:], int64, int16[:, :])", lazy=True)
def sample_days(cdf: np.ndarray, keys: np.ndarray, index: int, out: np.ndarray) -> None:
    """Fill `out` [rows × scenarios] with days from each row's law, `cdf` [rows, or 1 for all × days].

    What lies beyond the table is the length of the row. Many scenarios look the day up in a guide to their law.
    """
    guide = np.zeros(BUCKETS, np.int64)
    for i in range(out.shape[0]):
        law = cdf[min(i, cdf.shape[0] - 1)]
        if out.shape[1] < BUCKETS:
            for k in range(out.shape[1]):
                out[i, k] = find_day(law, uniform(keys[i], k, index))
            continue
        if i < cdf.shape[0]:
            set_guide(law, guide)
        for k in range(out.shape[1]):
            out[i, k] = guided_day(law, guide, uniform(keys[i], k, index))


@kernel("void(float64[:, :], uint64[:], uint64[:], float64, int64, int16[:, :])", lazy=True)
def sample_days_together(
    cdf: np.ndarray, keys: np.ndarray, shared: np.ndarray, alike: float, index: int, out: np.ndarray
) -> None:
    """Fill `out` [rows × scenarios] with days from each row's law, `cdf` [rows × days], rows with one shared key late
    together: their normal scores correlate with `alike` (a Gaussian copula with one factor; Li 2000). Each row's own
    law is what it would be alone."""
    common, own = math.sqrt(alike), math.sqrt(1.0 - alike)
    for i in range(out.shape[0]):
        for k in range(out.shape[1]):
            z = common * normal_quantile(uniform(shared[i], k, 0)) + own * normal_quantile(uniform(keys[i], k, index))
            out[i, k] = find_day(cdf[i], 0.5 * math.erfc(-z * 0.7071067811865476))


@kernel("void(float64[:, ::1], uint64[:], int64[:, ::1])", lazy=True)
def sample_values(cdf: np.ndarray, keys: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` [rows × draws] with places in each row's law, `cdf` [rows × values], however long it is."""
    for i in range(out.shape[0]):
        for k in range(out.shape[1]):
            out[i, k] = find_day(cdf[i], uniform(keys[i], k, 0))


@kernel("void(float64[:, :], uint64[:], int16[:, :])", lazy=True)
def sample_ends(gone: np.ndarray, keys: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` [rows × scenarios] with the days 1, 2, … on which waits end, `gone` [rows × days] being the chance by
    each day; days + 1: not by then. With a constant hazard the draws are those of `sample_geometric`."""
    for i in range(out.shape[0]):
        for k in range(out.shape[1]):
            out[i, k] = 1 + find_day(gone[i], 1.0 - uniform(keys[i], k, 0))


@kernel("void(float64[:], int64[:], uint64[:], int64, int16[:, :])", lazy=True)
def sample_geometric(
    hazard: np.ndarray, start: np.ndarray, keys: np.ndarray, never: int, out: np.ndarray
) -> None:
    """Fill `out` [rows × scenarios] with start + geometric day; `never` where that is not before it."""
    for i in range(out.shape[0]):
        surely = math.exp(never * math.log1p(-min(max(hazard[i], 0.0), 0.999999)))  # not before it: no logarithm
        for k in range(out.shape[1]):
            u = uniform(keys[i], k, 0)
            out[i, k] = never if u < surely else min(never, start[i] + geometric(u, hazard[i], never))


@kernel("void(float64[:, ::1], int64[:], int64[:], int64[:], uint64[:], int64, int16[:, :])", lazy=True)
def sample_waits(
    laws: np.ndarray, row: np.ndarray, age: np.ndarray, start: np.ndarray, keys: np.ndarray, never: int, out: np.ndarray
) -> None:
    """Fill `out` [lines × scenarios] with start + the day on which the wait ends; `never` where that is not before it.

    laws [rows × days]: as :func:`wait` has them; row, age, start [lines].
    """
    for i in range(out.shape[0]):
        for k in range(out.shape[1]):
            out[i, k] = min(never, start[i] + wait(laws[row[i]], age[i], uniform(keys[i], k, 0), never))
