"""One raw column → its canonical type: what could be read, what could not, and which repairs were made.

Work is done on distinct texts where a text has to be taken apart, so that ten million rows cost little more
than their distinct values.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .config import Data
from .schema import Column
from .tables import text_of

Bools = np.ndarray
EXCEL_ZERO = np.datetime64("1899-12-30", "us")
EXCEL_RANGE = (20_000.0, 80_000.0)  # 1954 to 2119
LARGEST, SMALLEST = 1e12, 1e-9  # beyond them no quantity or price is meant, and sums lose units
_ZONE = re.compile(r"\d{1,2}:\d{2}.*(?:[Zz]|[+-]\d{2}(?::?\d{2})?|\s(?:UTC|GMT))$")
_TRUE = {"true", "t", "yes", "y", "1", "1.0", "on"}
_FALSE = {"false", "f", "no", "n", "0", "0.0", "off"}


@dataclass
class Coerced:
    """A canonical column, a mask of what could not be read (None: all could), repairs, and the remedy."""

    values: pd.Series
    bad: Bools | None = None
    remedy: str = ""
    repairs: list[tuple[str, int, str]] = field(default_factory=list)
    blocker: str | None = None  # what makes the whole column unusable until configured


def coerce(raw: pa.ChunkedArray, column: Column, reading: Data) -> Coerced:
    """Return the canonical column; nothing is guessed where two readings are possible.

    >>> raw = pa.chunked_array([["1.234,5", "x"]])
    >>> got = coerce(raw, Column("qty", "quantity", ""), Data(decimal=",", thousands="."))
    >>> got.values.tolist(), got.bad.tolist()
    ([1234.5, nan], [False, True])
    """
    if pa.types.is_null(raw.type):
        raw = raw.cast(pa.large_string())
    if column.kind == "text":
        return _ids_or_text(raw, column, reading)
    if column.kind in ("date", "timestamp"):
        return _dates(raw, column, reading)
    if column.kind == "flag":
        return _flags(raw, reading)
    return _numbers(raw, column, reading)


def as_text(raw: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return any plain column as text; whole numbers without a decimal point."""
    if pa.types.is_floating(raw.type):
        return _whole_as_text(raw)
    if raw.type in (pa.string(), pa.large_string(), pa.string_view()):
        return raw.cast(pa.large_string())
    if pa.types.is_timestamp(raw.type) or pa.types.is_date(raw.type):
        return pc.strftime(raw.cast(pa.timestamp("us"), safe=False), format="%Y-%m-%d").cast(
            pa.large_string()
        )
    return raw.cast(pa.large_string())


def any_null(raw: pa.ChunkedArray) -> Bools:
    """Return where a column holds nothing."""
    null: Bools = raw.is_null().to_numpy()
    return null


# --------------------------------------------------------------------------------------------- text


def _ids_or_text(raw: pa.ChunkedArray, column: Column, reading: Data) -> Coerced:
    repairs: list[tuple[str, int, str]] = []
    values = as_text(raw)
    if is_id(column) and reading.trim_ids:
        values, repairs = _changed(
            values, pc.utf8_trim_whitespace(values), "blanks around ids removed", repairs
        )
    if is_id(column) and reading.upper_ids:
        values, repairs = _changed(values, pc.utf8_upper(values), "ids made upper case", repairs)
    values = _without(values, ("",))
    if not column.allowed:
        return Coerced(text_of(values), repairs=repairs)
    return _allowed(values, column, repairs)


def is_id(column: Column) -> bool:
    """Whether a column holds ids, which are matched exactly."""
    return column.name.endswith("_id")


def _changed(
    before: pa.ChunkedArray, after: pa.ChunkedArray, what: str, repairs: list[tuple[str, int, str]]
) -> tuple[pa.ChunkedArray, list[tuple[str, int, str]]]:
    different = pc.not_equal(before, after)
    count = pc.sum(different).as_py() or 0
    if not count:
        return before, repairs
    return after, [*repairs, (what, count, repr(pc.filter(before, different)[0].as_py()))]


def _allowed(values: pa.ChunkedArray, column: Column, repairs: list[tuple[str, int, str]]) -> Coerced:
    by_fold = {option.casefold(): option for option in column.allowed}

    def read(texts: list[str]) -> tuple[list[Any], list[bool]]:
        options = [by_fold.get(text.strip().casefold().replace(" ", "_")) for text in texts]
        return options, [option is None for option in options]

    codes, texts = _distinct(values)
    options, unread = read(texts)
    new = pa.chunked_array([pa.array(options, pa.large_string()).take(pa.array(codes, mask=codes < 0))])
    new, repairs = _changed(values, new, "spelling of an allowed value", repairs)
    remedy = f"allowed are {', '.join(column.allowed)}; map others under `values.{column.name}`"
    return Coerced(text_of(new), _at(codes, unread), remedy, repairs)


def _whole_as_text(raw: pa.ChunkedArray) -> pa.ChunkedArray:
    """Floats as text: exports turn whole numbers into floats as soon as one of them is missing."""
    raw = pc.if_else(pc.is_finite(raw), raw, None).cast(pa.float64())
    exact = pc.less_equal(pc.abs(raw), 2.0**53)
    if pc.all(pc.and_(exact, pc.equal(raw, pc.round(raw)))).as_py() in (True, None):
        return raw.cast(pa.int64(), safe=False).cast(pa.large_string())
    texts = [None if x is None else str(int(x)) if x == int(x) else repr(x) for x in raw.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.large_string())])


# ------------------------------------------------------------------------------------------ numbers


def _numbers(raw: pa.ChunkedArray, column: Column, reading: Data) -> Coerced:
    if not _is_text(raw):
        number = _plain_numbers(raw)
        return _finite(Coerced(pd.Series(number, copy=False)), column)
    values = _without(pc.utf8_trim_whitespace(raw.cast(pa.large_string())), reading.null_values)
    if reading.decimal == "." and not reading.thousands:
        with suppress(pa.ArrowInvalid):
            number = values.cast(pa.float64()).to_numpy()
            return _finite(Coerced(pd.Series(number, copy=False)), column)
    return _finite(_written_numbers(values, reading), column)


def _plain_numbers(raw: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_temporal(raw.type):
        return np.full(len(raw), np.nan)
    number: np.ndarray = raw.cast(pa.float64(), safe=False).to_numpy()
    return number


def _written_numbers(values: pa.ChunkedArray, reading: Data) -> Coerced:
    def read(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        plain = [_plain_number(text, reading) for text in texts]
        numbers = pd.to_numeric(pd.Series(plain, dtype=object), errors="coerce").to_numpy(
            "float64", na_value=np.nan
        )
        return numbers, np.isnan(numbers)

    codes, texts = _distinct(values)
    numbers, unread = read(texts)
    result = Coerced(pd.Series(_spread(codes, numbers, np.nan)), _at(codes, unread))
    marks = [
        any(mark in text for mark in (reading.decimal, reading.thousands) if mark not in ("", "."))
        for text in texts
    ]
    repaired = _at(codes, np.array(marks, bool) & ~unread)
    if repaired.any():
        example = texts[int(codes[np.argmax(repaired)])]
        result.repairs.append(("decimal or thousands marks read as configured", int(repaired.sum()), example))
    result.remedy = _number_remedy([text for text, bad in zip(texts, unread, strict=True) if bad], reading)
    return result


def _plain_number(text: str, reading: Data) -> str | None:
    """The text as Python writes numbers, or None where it is not what the configuration says."""
    mark = reading.thousands
    if mark and mark in text:
        whole, point, rest = text.partition(reading.decimal)
        if mark == " ":
            whole = whole.replace("\u00a0", " ").replace("\u202f", " ")
        if not re.fullmatch(rf"[+-]?\d{{1,3}}(?:{re.escape(mark)}\d{{3}})+", whole):
            return None
        text = whole.replace(mark, "") + point + rest
    if reading.decimal == ",":
        text = "?" if "." in text else text.replace(",", ".")
    return None if "_" in text else text


def _number_remedy(texts: list[str], reading: Data) -> str:
    if any(re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})*,\d+", text) for text in texts) and reading.decimal == ".":
        dots = any("." in text for text in texts)
        return (
            'decimal commas? set data.decimal = ","'
            + (' and data.thousands = "."' if dots else "")
            + (
                '; or data.thousands = "," if the comma separates thousands'
                if all(re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+", text) for text in texts)
                else ""
            )
        )
    if any(re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", text) for text in texts):
        return 'thousands separators? set data.thousands = ","'
    return "write plain numbers, or name the texts that mean nothing under data.null_values"


def _finite(result: Coerced, column: Column) -> Coerced:
    """Infinite and absurd numbers, and fractions where whole ones are due, cannot be read."""
    number = result.values.to_numpy()
    size = np.abs(number)
    bad = (size > LARGEST) | ((size < SMALLEST) & (number != 0))
    if column.kind in ("int", "count"):
        bad |= np.isfinite(number) & (number != np.round(number))
    if bad.any():
        result.values = pd.Series(np.where(bad, np.nan, number))
        result.bad = bad if result.bad is None else result.bad | bad
        result.remedy = result.remedy or (
            f"write a finite number, at most {LARGEST:g} (whole where the column is a count)"
        )
    return result


# -------------------------------------------------------------------------------------------- dates


def _dates(raw: pa.ChunkedArray, column: Column, reading: Data) -> Coerced:
    if pa.types.is_timestamp(raw.type) and raw.type.tz:
        result = _zoned(raw, reading)
    elif pa.types.is_timestamp(raw.type) or pa.types.is_date(raw.type):
        result = Coerced(_stamps(raw.cast(pa.timestamp("us"), safe=False)))
    elif _is_text(raw):
        result = _text_dates(raw, reading)
    else:
        result = _number_dates(raw, reading)
    if column.kind == "date":
        result.values = result.values.astype("datetime64[s]").dt.normalize().astype("datetime64[us]")
    return result


def _stamps(values: pa.ChunkedArray) -> pd.Series:
    return pd.Series(values.to_numpy().astype("datetime64[us]"), copy=False)


def _zoned(raw: pa.ChunkedArray, reading: Data) -> Coerced:
    if reading.time_zone is None:
        return Coerced(_stamps(raw.cast(pa.timestamp("us"), safe=False)), blocker=_zone_blocker(raw.type.tz))
    utc = _stamps(raw.cast(pa.timestamp("us", raw.type.tz), safe=False).cast(pa.timestamp("us", "UTC")))
    repair = ("time zone converted", int(utc.notna().sum()), f"{raw.type.tz} to {reading.time_zone}")
    return Coerced(_local(utc.dt.tz_localize("UTC"), reading.time_zone), repairs=[repair])


def _local(values: pd.Series, zone: str) -> pd.Series:
    local: pd.Series = values.dt.tz_convert(zone).dt.tz_localize(None).astype("datetime64[us]")
    return local


def _zone_blocker(example: str) -> str:
    return (
        f"timestamps carry a time zone ({example}); say into which they are to be converted: data.time_zone"
    )


def _number_dates(raw: pa.ChunkedArray, reading: Data) -> Coerced:
    """Numbers where dates are due: 20260131 is a date; 45000 is one only if the configuration says so."""
    texts = as_text(raw)
    result = _text_dates(texts, reading)
    if not reading.excel_serial_dates and result.bad is not None and not result.remedy:
        result.remedy = "these are plain numbers; turn them into dates with a query"
    return result


def _text_dates(raw: pa.ChunkedArray, reading: Data) -> Coerced:
    values = _without(pc.utf8_trim_whitespace(raw.cast(pa.large_string())), reading.null_values)
    if reading.date_format is None:
        with suppress(pa.ArrowInvalid):
            return Coerced(_stamps(values.cast(pa.timestamp("us"))))
    codes, texts = _distinct(values)
    reader = _DateReader(reading)
    stamps = reader.read(texts)
    unread = np.isnat(stamps)
    result = Coerced(pd.Series(_spread(codes, stamps, np.datetime64("NaT", "us"))), _at(codes, unread))
    result.blocker = reader.blocker
    result.remedy = _date_remedy([text for text, bad in zip(texts, unread, strict=True) if bad], reading)
    for what, distinct in reader.repaired.items():
        rows = _at(codes, distinct & ~unread)
        if rows.any():
            result.repairs.append((what, int(rows.sum()), texts[int(codes[np.argmax(rows)])]))
    return result


class _DateReader:
    """Reads distinct texts, the configured format first, and notes which had to be repaired."""

    def __init__(self, reading: Data) -> None:
        self.reading = reading
        self.blocker: str | None = None
        self.repaired: dict[str, Bools] = {}

    def read(self, texts: list[str]) -> np.ndarray:
        series = pd.Series(texts, dtype=object)
        stamps = np.full(len(series), np.datetime64("NaT"), "datetime64[us]")
        for way in (self._formatted, self._iso, self._zoned, self._day_or_month_first, self._excel):
            left = np.isnat(stamps)
            if left.any() and len(texts):
                stamps[left] = way(series[left], left)
        return stamps

    def _formatted(self, texts: pd.Series, left: Bools) -> np.ndarray:
        if self.reading.date_format is None:
            return _nat(texts)
        return self._note("text read as date in the configured format", texts, left, self.reading.date_format)

    def _iso(self, texts: pd.Series, left: Bools) -> np.ndarray:
        if self.reading.date_format is not None:
            return _nat(texts)
        like = texts.str.match(r"^\d{4}-?\d{2}-?\d{2}(?:$|[ T])").to_numpy(bool)
        naive = like & ~texts.map(lambda text: bool(_ZONE.search(text))).to_numpy(bool)
        return _parse(texts.where(naive), "ISO8601")

    def _zoned(self, texts: pd.Series, left: Bools) -> np.ndarray:
        zoned = texts.map(lambda text: bool(_ZONE.search(text))).to_numpy(bool)
        if not zoned.any() or self.reading.date_format is not None:
            return _nat(texts)
        if self.reading.time_zone is None:
            self.blocker = _zone_blocker(repr(texts[zoned].iloc[0]))
            return _nat(texts)
        clean = texts[zoned].str.replace(r"\s(?:UTC|GMT)$", "Z", regex=True)
        utc = pd.to_datetime(clean, format="ISO8601", utc=True, errors="coerce")
        stamps = _nat(texts)
        stamps[zoned] = _local(utc, self.reading.time_zone).to_numpy("datetime64[us]")
        return self._record("time zone converted", stamps, left)

    def _day_or_month_first(self, texts: pd.Series, left: Bools) -> np.ndarray:
        if self.reading.day_first is None:
            return _nat(texts)
        clean = texts.str.replace(r"^(\d{1,2})[./-](\d{1,2})[./-](\d{2,4})", r"\1/\2/\3", regex=True)
        head = "%d/%m/" if self.reading.day_first else "%m/%d/"
        stamps = _nat(texts)
        for tail in ("%Y", "%Y %H:%M", "%Y %H:%M:%S", "%y", "%y %H:%M"):
            blank = np.isnat(stamps)
            stamps[blank] = _parse(clean[blank], head + tail)
        return self._record(
            f"text read as date, {'day' if self.reading.day_first else 'month'} first", stamps, left
        )

    def _excel(self, texts: pd.Series, left: Bools) -> np.ndarray:
        if not self.reading.excel_serial_dates:
            return _nat(texts)
        serial = pd.to_numeric(texts, errors="coerce").to_numpy("float64", na_value=np.nan)
        inside = (serial > 0) & (serial < 2_958_466)  # the year 9999
        micros = (np.round(np.where(inside, serial, 0.0) * 86_400) * 1e6).astype("timedelta64[us]")
        stamps = np.where(inside, EXCEL_ZERO + micros, np.datetime64("NaT", "us"))
        return self._record("Excel day count read as date", stamps, left)

    def _note(self, what: str, texts: pd.Series, left: Bools, pattern: str) -> np.ndarray:
        return self._record(what, _parse(texts, pattern, self.reading.time_zone), left)

    def _record(self, what: str, stamps: np.ndarray, left: Bools) -> np.ndarray:
        rows = left.copy()
        rows[left] = ~np.isnat(stamps)
        self.repaired[what] = rows
        return stamps


def _nat(texts: pd.Series) -> np.ndarray:
    return np.full(len(texts), np.datetime64("NaT"), "datetime64[us]")


def _parse(texts: pd.Series, pattern: str, zone: str | None = None) -> np.ndarray:
    try:
        stamps = pd.to_datetime(texts, format=pattern, errors="coerce", utc="%z" in pattern)
    except ValueError:  # a pattern that strptime does not know
        return _nat(texts)
    if "%z" in pattern:
        stamps = _local(stamps, zone or "UTC")
    parsed: np.ndarray = stamps.to_numpy("datetime64[us]")
    return parsed


def _date_remedy(texts: list[str], reading: Data) -> str:
    if reading.date_format is not None:
        return f"the configured data.date_format is {reading.date_format!r}; other texts cannot be read"
    numbers = [float(text) for text in texts if re.fullmatch(r"\d{5}(\.\d+)?", text)]
    if any(EXCEL_RANGE[0] < number < EXCEL_RANGE[1] for number in numbers):
        return "these look like Excel day counts; set data.excel_serial_dates = true"
    if (
        any(re.match(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}", text) for text in texts)
        and reading.day_first is None
    ):
        return "say whether the day comes first: data.day_first = true or false (or set data.date_format)"
    return "write dates as 2026-01-31, or set data.date_format, e.g. '%d-%b-%y'"


# -------------------------------------------------------------------------------------------- flags


def _flags(raw: pa.ChunkedArray, reading: Data) -> Coerced:
    if pa.types.is_boolean(raw.type):
        return Coerced(pd.Series(raw.to_pandas(), dtype="boolean"))
    values = _without(pc.utf8_lower(pc.utf8_trim_whitespace(as_text(raw))), reading.null_values)
    codes, texts = _distinct(values)
    known = np.array([text in _TRUE or text in _FALSE for text in texts], bool)
    true = np.array([text in _TRUE for text in texts], bool)
    flags = pd.array(_at(codes, true), dtype="boolean")
    flags[~_at(codes, known)] = pd.NA
    return Coerced(
        pd.Series(flags), _at(codes, ~known), "write true or false, or map the texts under `values`"
    )


# ------------------------------------------------------------------------------------------ helpers


def _is_text(raw: pa.ChunkedArray) -> bool:
    return raw.type in (pa.string(), pa.large_string(), pa.string_view())


def _without(values: pa.ChunkedArray, nothing: tuple[str, ...]) -> pa.ChunkedArray:
    hit = pc.is_in(values, value_set=pa.array(list(nothing), values.type))
    return pc.if_else(hit, pa.scalar(None, values.type), values) if pc.any(hit).as_py() else values


def _distinct(values: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """Codes of the rows (-1: missing) and the distinct texts."""
    encoded = values.combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes, encoded.dictionary.to_pylist()


def _spread(codes: np.ndarray, distinct: np.ndarray, nothing: Any) -> np.ndarray:
    """Values of the rows from those of the distinct texts."""
    padded = np.append(np.asarray(distinct), np.asarray(nothing, dtype=np.asarray(distinct).dtype))
    rows: np.ndarray = padded[codes]
    return rows


def _at(codes: np.ndarray, distinct: Any) -> Bools:
    return _spread(codes, np.asarray(distinct, bool), False)
