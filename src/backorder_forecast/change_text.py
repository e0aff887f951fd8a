"""Changes written as text: flags of the command line, and TOML files with a table for each variant.

>>> change_of(sooner=["P1=7"], stock=["00042/north=-3"], buy=["00042/north=20@2026-07-05"]).told()
'stock of 00042/north -3, P1 7 days sooner, 20 of 00042/north bought'
>>> change_of(move=["00042=5:north>south:3"]).move
({'item': '00042', 'qty': 5.0, 'from': 'north', 'to': 'south', 'days': 3},)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .change import Change
from .config import read_toml
from .errors import UsageError


def change_of(
    rule: str | None = None, stock: Sequence[str] = (), sooner: Sequence[str] = (), cancel: Sequence[str] = (),
    buy: Sequence[str] = (), move: Sequence[str] = (), service_target: Sequence[str] = (), demand: Sequence[str] = (),
) -> Change:  # fmt: skip
    """The change that flags say. Raises: ``UsageError`` for one that is not written as it should be."""
    days = {name: _number(value, f"--sooner {name}") for name, value in map(_pair("--sooner", "PO=DAYS"), sooner)}
    units = {name: _number(value, f"--stock {name}") for name, value in map(_pair("--stock", "ITEM=UNITS"), stock)}
    return Change(
        rule, units, days, tuple(cancel),
        tuple(_bought(x) for x in buy), tuple(_moved(x) for x in move),
        _for_all_or_some("--service-target", service_target), _for_all_or_some("--demand", demand),
    )  # fmt: skip


def variants_of(file: str | Path) -> dict[str, Change]:
    """The variants of a TOML file, a table each with the fields of :class:`Change`."""
    content = read_toml(file)
    loose = [name for name, value in content.items() if not isinstance(value, dict)]
    if loose or not content:
        told = f"{loose[0]!r} stands outside of one" if loose else "there is none"
        raise UsageError(f"{file}: each variant is a table, as [faster] with sooner = {{P1 = 7}}; {told}")
    return {name: Change.of(value) for name, value in content.items()}


def _pair(flag: str, form: str) -> Any:
    def split(text: str) -> tuple[str, str]:
        name, sign, value = text.rpartition("=")
        if not sign or not name or not value:
            raise UsageError(f"{flag} is written {form}, got {text!r}")
        return name.strip(), value.strip()

    return split


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{what}: {text!r} is not a number") from None


def _bought(text: str) -> dict[str, Any]:
    item, rest = _pair("--buy", "ITEM=QTY or ITEM=QTY@DATE")(text)
    qty, _, date = rest.partition("@")
    return {"item": item, "qty": _number(qty, f"--buy {item}")} | ({"date": date} if date else {})


def _moved(text: str) -> dict[str, Any]:
    form = "ITEM=QTY:FROM>TO or ITEM=QTY:FROM>TO:DAYS"
    item, rest = _pair("--move", form)(text)
    qty, _, route = rest.partition(":")
    places, _, days = route.partition(":")
    begin, sign, end = places.partition(">")
    if not (sign and begin and end):
        raise UsageError(f"--move is written {form}, got {text!r}")
    return {"item": item, "qty": _number(qty, f"--move {item}"), "from": begin, "to": end,
            "days": int(_number(days or "1", f"--move {item}"))}  # fmt: skip


def _for_all_or_some(flag: str, given: Sequence[str]) -> float | dict[str, float] | None:
    """One number for all, or ITEM=NUMBER for some."""
    if not given:
        return None
    if len(given) == 1 and "=" not in given[0]:
        return _number(given[0], flag)
    pairs = map(_pair(flag, "one number, or ITEM=NUMBER"), given)
    return {name: _number(value, f"{flag} {name}") for name, value in pairs}
