"""Ship dates, backorder risk and reorder points, as probabilities, from a company's own tables.

The public door. Importing it loads none of pandas, scipy, numba and the rest: each name is imported from its
room when it is first used (PEP 562).

>>> import backorder_forecast as bf
>>> "run" in dir(bf)
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_ROOMS = {
    "BackorderForecastError": "errors",
    "Config": "config",
    "ConfigError": "errors",
    "Dataset": "dataset",
    "InputError": "errors",
    "Law": "law",
    "NotAvailable": "errors",
    "Past": "past",
    "Run": "result",
    "backorder_risk": "risk",
    "fit_lead_times": "lead_time",
    "forecast_demand": "demand",
    "forecast_supply": "supply",
    "line_eta": "eta",
    "load": "sources",
    "open_run": "result",
    "order_eta": "eta",
    "purchase_eta": "eta",
    "reorder_points": "reorder",
    "replay": "evaluate",
    "run": "pipeline",
    "simulate": "queue",
}

__all__ = sorted([*_ROOMS, "__version__"])  # noqa: PLE0605 - derived, so that it cannot drift


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_ROOMS[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


if TYPE_CHECKING:
    from .config import Config
