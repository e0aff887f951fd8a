"""Summary → one HTML page. The template engine escapes every text; nothing is fetched from anywhere.

Sorting and filtering are a page of script over plain tables. DataTables (through itables) was weighed and
left: it adds 0.7 MB with jQuery to every daily report, builds rows from a script so that nothing is there to
print or to read without it, and cannot run under a policy that names the one script allowed. Here the policy
names the hash of ours: a text from a company's tables cannot become a program.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import date
from functools import cache
from importlib import resources

import jinja2

from . import words
from .model import NUMBERS, Chart, Kind, Summary, Value


def page(summary: Summary) -> bytes:
    """Return the summary as an HTML page in UTF-8."""
    script = _part("table.js")
    text = _template().render(
        summary=summary,
        style=_part("page.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return text.encode()


def shown(value: Value, kind: Kind) -> str:
    """Return a value as people read it.

    >>> shown(0.0042, "percent"), shown(1234.0, "qty"), shown(None, "date"), shown("no_supply", "badge")
    ('<1 %', '1,234', '', 'no supply')
    """
    if value is None:
        return ""
    if kind == "percent":
        return _percent(float(str(value)))
    if isinstance(value, date):
        return value.isoformat()
    if kind == "badge":
        return str(value).replace("_", " ")
    is_number = kind in NUMBERS and isinstance(value, int | float)
    return words.number(float(value)) if is_number else str(value)


def sort_key(value: Value, kind: Kind) -> str:
    """Return what a column sorts by, where that is not what it shows."""
    return repr(value) if kind in NUMBERS and value is not None else ""


def picture(chart: Chart) -> str:
    """Return a chart as a data URL."""
    return "data:image/svg+xml;base64," + base64.b64encode(chart.svg).decode()


def _percent(value: float) -> str:
    if 0 < value < 0.01:
        return "<1 %"
    return ">99 %" if 0.99 < value < 1 else f"{100 * value:.0f} %"


@cache
def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"shown": shown, "sort_key": sort_key, "picture": picture, "json": json.dumps}
    return environment.from_string(_part("page.html.j2"))
