"""Ids compared fast: as whole numbers where they are numbers behind a prefix, as coded text otherwise."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

_ROOM = 2**62  # codes of several columns are joined in one 64-bit number


def places_of(lines: pd.Series, children: Sequence[pd.Series]) -> list[np.ndarray]:
    """Places of the children's ids among distinct ids (-1: unknown), with one look-up table for all.

    >>> [place.tolist() for place in places_of(pd.Series(["a", "b"]), [pd.Series(["b", "x"])])]
    [[1, -1]]
    """
    columns = [arrow(values) for values in (lines, *children)]
    sizes = np.cumsum([len(child) for child in children])[:-1]
    if (numbers := number_keys(columns)) is not None:
        return list(np.split(_number_places(numbers[0], np.concatenate(numbers[1:])), sizes))
    wanted = pa.chunked_array([chunk for child in columns[1:] for chunk in child.chunks], pa.large_string())
    places = pc.fill_null(pc.index_in(wanted, value_set=columns[0].combine_chunks()), -1).to_numpy()
    return list(np.split(places, sizes))


def _number_places(known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    if not len(known):
        return np.full(len(wanted), -1)
    low, high = int(known.min()), int(known.max())
    if high - low > 4 * len(known) + 1000:  # too sparse for a table
        return np.asarray(pd.Index(known).get_indexer(pd.Index(wanted)))
    table = np.full(high - low + 2, -1, "int32" if len(known) < 2**31 else "int64")
    table[known - low] = np.arange(len(known), dtype=table.dtype)
    inside = (wanted >= low) & (wanted <= high)
    places: np.ndarray = table[np.where(inside, wanted - low, high - low + 1)]
    return places


def any_repeated(codes: np.ndarray) -> bool:
    """Whether a code occurs twice.

    >>> any_repeated(np.array([3, 1, 2])), any_repeated(np.array([3, 1, 3]))
    (False, True)
    """
    if not len(codes):
        return False
    low, high = int(codes.min()), int(codes.max())
    if high - low > 4 * len(codes) + 1000:
        return bool(pd.Series(codes).duplicated().any())
    seen = np.zeros(high - low + 1, bool)
    seen[codes - low] = True
    return int(seen.sum()) < len(codes)


def key_codes(columns: Sequence[pd.Series]) -> np.ndarray:
    """One whole number for each row, the same for equal rows of key columns only; missing equals missing.

    >>> key_codes([pd.Series(["x", "x", "y"]), pd.Series(["1", "2", "1"])]).tolist()
    [0, 1, 2]
    """
    codes = _codes(columns[0])
    for values in columns[1:]:
        more = _codes(values) + 1
        if len(codes) and (int(codes.max()) + 2) * (int(more.max()) + 1) > _ROOM:
            codes, more = pd.factorize(codes)[0], pd.factorize(more)[0]
        codes = codes * (int(more.max()) + 1 if len(more) else 1) + more
    return codes if len(columns) == 1 else np.asarray(pd.factorize(codes)[0])


def _codes(values: pd.Series) -> np.ndarray:
    if values.dtype.kind == "M":
        return np.asarray(pd.factorize(values.to_numpy("datetime64[us]").astype("int64"))[0])
    numbers = number_keys([arrow(values)])
    return text_codes(values)[0].astype("int64") if numbers is None else numbers[0]


def text_codes(values: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Codes of the rows (-1: missing) and the distinct texts.

    >>> codes, texts = text_codes(pd.Series(["n", None, "s", "n"]))
    >>> codes.tolist(), texts
    ([0, -1, 1, 0], ['n', 's'])
    """
    encoded = arrow(values).combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()


def distinct(values: pd.Series) -> pa.Array:
    """Return the distinct texts of a column, without the missing one."""
    return pc.unique(arrow(values)).drop_null()


def arrow(values: pd.Series) -> pa.ChunkedArray:
    """Return a text column as Arrow's, without a copy where it is one already."""
    array = pa.array(values, pa.large_string(), from_pandas=True)
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def number_keys(columns: list[pa.ChunkedArray]) -> list[np.ndarray] | None:
    """Whole numbers that stand for ids one to one, where all ids are numbers behind one common prefix.

    An order of magnitude faster to compare than text. None where the ids are not like that; missing is -1.

    >>> number_keys([pa.chunked_array([["L1", "L20"]]), pa.chunked_array([["L3"]])])
    [array([ 1, 20]), array([3])]
    >>> number_keys([pa.chunked_array([["007", "7"]])]) is None
    True
    """
    first = next((column[0].as_py() for column in columns if len(column)), None)
    prefix = re.match(r"\D*", first or "").group()  # type: ignore[union-attr]
    rests = [pc.utf8_slice_codeunits(column, len(prefix)) if prefix else column for column in columns]
    if not all(_true(pc.starts_with(column, prefix)) for column in columns if prefix):
        return None
    if not all(_true(pc.ascii_is_decimal(rest)) for rest in rests):
        return None
    lengths = [pc.min_max(pc.binary_length(rest)).as_py() for rest in rests if len(rest)]
    sizes = {size for length in lengths for size in length.values() if size is not None}
    padded = any(
        _any(pc.and_(pc.starts_with(rest, "0"), pc.greater(pc.binary_length(rest), 1))) for rest in rests
    )
    if not sizes or max(sizes) > 17 or (padded and len(sizes) > 1):
        return None
    return [pc.fill_null(rest.cast(pa.int64()), -1).to_numpy() for rest in rests]


def _true(flags: pa.ChunkedArray) -> bool:
    return pc.all(flags).as_py() is not False


def _any(flags: pa.ChunkedArray) -> bool:
    return pc.any(flags).as_py() is True
