"""One seed, and keys for draws named after what they are for.

A key is a pure function of (seed, stream, the entity's texts); a draw is one of (key, scenario, index), see
:mod:`backorder_forecast.core.chance`. So neither the order of rows, nor other entities, nor threads change
a draw.

>>> a = keys(1, "patience", ["L1", "L2"])
>>> b = keys(1, "patience", ["L2", "L1"])
>>> bool(a[0] == b[1]), bool(a[0] == keys(2, "patience", ["L1"])[0])
(True, False)
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from .core.chance import combine, hash_texts


def text_hashes(texts: Iterable[Any]) -> np.ndarray:
    """Hash each text to 64 bits (stable over machines and versions); missing ones like the empty text."""
    array = pa.array(texts, type=pa.large_string(), from_pandas=True).fill_null("")
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    data = array.buffers()[2]
    content = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    hashes: np.ndarray = hash_texts(content.copy(), offsets.copy())
    return hashes


def keys(seed: int, stream: str, *texts: Iterable[Any]) -> np.ndarray:
    """Return u8 keys [n] of a stream for entities named by one or several columns of texts."""
    salt = text_hashes([f"{stream}\x1f{seed}"])[0]
    out = None
    for column in texts:
        hashes = text_hashes(column)
        out = hashes if out is None else combine_pair(out, hashes)
    if out is None:
        raise ValueError("keys() needs at least one column of texts")
    result: np.ndarray = combine(salt, out)
    return result


def combine_pair(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mix two columns of hashes so that their order matters."""
    with np.errstate(over="ignore"):
        mixed: np.ndarray = first * np.uint64(0x9E3779B97F4A7C15) + second
    return mixed
