"""Dataclasses of arrays, frames and plain values as named arrays and a plain tree, and back: no pickle, no code.

What may be packed is told beforehand, class by class; anything else is refused. Numbers come back bit for bit.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Point:
...     at: np.ndarray
...     name: str
>>> packed = pack(Point(np.array([0.1, np.nan]), "p"), [Point])
>>> sorted(packed), unpack(packed, [Point]).name
(['0', 'tree'], 'p')
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .tables import text_of

TREE = "tree"


def pack(value: Any, known: Iterable[type]) -> dict[str, np.ndarray]:
    """The arrays of a value by name, and under `tree` how it is put together, as JSON in bytes.

    Raises: ``TypeError`` or ``AttributeError`` for what is neither plain, nor array, frame, text or of a known class.
    """
    packer = _Packer({x.__name__ for x in known})
    tree = packer.node(value)
    return {**packer.arrays, TREE: np.frombuffer(json.dumps(tree).encode(), np.uint8)}


def unpack(arrays: Mapping[str, np.ndarray], known: Iterable[type]) -> Any:
    """The inverse of `pack`. Raises: ``KeyError`` where something is missing or of a class that is not known."""
    tree = json.loads(bytes(arrays[TREE]).decode())
    return _Unpacker(arrays, {x.__name__: x for x in known}).value(tree)


class _Packer:
    def __init__(self, known: set[str]) -> None:
        self.known, self.arrays = known, dict[str, np.ndarray]()

    def _put(self, array: np.ndarray) -> str:
        name = str(len(self.arrays))
        self.arrays[name] = array
        return name

    def node(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.ndarray) and value.dtype != object:
            return {"array": self._put(value)}
        if isinstance(value, np.ndarray):
            return {"texts": self._texts(value)}
        if isinstance(value, np.datetime64):
            return {"datetime64": self._put(np.array([value]))}
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, pd.Timestamp):
            return {"timestamp": value.isoformat()}
        if isinstance(value, tuple | list):
            return {type(value).__name__: [self.node(x) for x in value]}
        if isinstance(value, dict):
            return {"dict": [[self.node(k), self.node(x)] for k, x in value.items()]}
        if isinstance(value, pd.DatetimeIndex):
            return {"dates": self._put(value.to_numpy())}
        if isinstance(value, pd.DataFrame):
            return {"frame": [[str(x), self._column(value[x])] for x in value], "rows": len(value)}
        name = type(value).__name__
        if is_dataclass(value) and name in self.known:
            return {"class": name, "of": {x.name: self.node(getattr(value, x.name)) for x in fields(value)}}
        raise TypeError(f"a {name} cannot be packed")

    def _texts(self, values: Any) -> list[str]:
        """All bytes behind each other, and the length of each text; −1: there is none."""
        found = pa.array(values, type=pa.large_string(), from_pandas=True)
        found = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
        lengths = pc.binary_length(found).fill_null(-1).to_numpy().astype(np.int64)
        ends = np.frombuffer(found.buffers()[1], np.int64)[found.offset : found.offset + len(found) + 1]
        data = found.buffers()[2]
        content = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(0, np.uint8)
        return [self._put(content[ends[0] : ends[-1]].copy()), self._put(lengths)]

    def _column(self, column: pd.Series) -> Any:
        if isinstance(column.dtype, pd.StringDtype):
            return {"text": self._texts(column.array)}
        if column.dtype == object:
            return {"texts": self._texts(column.array)}
        if not isinstance(column.dtype, np.dtype):
            missing = column.isna().to_numpy()
            dtype: Any = column.dtype
            values = column.fillna(dtype.type(0)).to_numpy(dtype.numpy_dtype)
            return {"nullable": [str(column.dtype), self._put(values), self._put(missing)]}
        return {"array": self._put(column.to_numpy())}


class _Unpacker:
    def __init__(self, arrays: Mapping[str, np.ndarray], known: Mapping[str, type]) -> None:
        self.arrays, self.known = arrays, known

    def value(self, node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        if "class" in node:
            return self.known[node["class"]](**{name: self.value(x) for name, x in node["of"].items()})
        if "frame" in node:
            columns = {name: self._column(x) for name, x in node["frame"]}
            return pd.DataFrame(columns, index=pd.RangeIndex(node["rows"]))
        [(kind, content)] = node.items()
        if kind in ("tuple", "list"):
            return (tuple if kind == "tuple" else list)(self.value(x) for x in content)
        if kind == "dict":
            return {self.value(k): self.value(x) for k, x in content}
        if kind == "timestamp":
            return pd.Timestamp(content)
        if kind == "texts":
            return self._texts(content)
        array = self.arrays[content]
        return array[0] if kind == "datetime64" else pd.DatetimeIndex(array) if kind == "dates" else array

    def _arrow(self, names: list[str]) -> Any:
        content, lengths = (np.ascontiguousarray(self.arrays[name]) for name in names)
        ends = np.concatenate([[0], np.cumsum(np.maximum(lengths, 0))]).astype(np.int64)
        there = pa.py_buffer(np.packbits(lengths >= 0, bitorder="little"))
        parts = [there, pa.py_buffer(ends), pa.py_buffer(content)]
        return pa.LargeStringArray.from_buffers(len(lengths), parts[1], parts[2], parts[0])

    def _texts(self, names: list[str]) -> np.ndarray:
        out = np.empty(len(self.arrays[names[1]]), dtype=object)
        out[:] = self._arrow(names).to_pylist()
        return out

    def _column(self, node: dict[str, Any]) -> pd.Series:
        [(kind, content)] = node.items()
        column: pd.Series
        if kind == "text":
            column = text_of(pa.chunked_array([self._arrow(content)]))
        elif kind == "nullable":
            dtype, values, missing = content
            column = pd.Series(self.arrays[values]).astype(dtype)
            column = column.mask(self.arrays[missing])
        else:
            column = pd.Series(self.value(node))
        return column
