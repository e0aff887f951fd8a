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
    "Change": "change",
    "Config": "config",
    "ConfigError": "errors",
    "Dataset": "dataset",
    "Forecast": "forecast",
    "InputError": "errors",
    "Law": "law",
    "NotAvailable": "errors",
    "Past": "past",
    "Run": "result",
    "backorder_risk": "risk",
    "compare_rules": "comparison",
    "fit_lead_times": "lead_time",
    "forecast_demand": "demand",
    "forecast_panel": "panel",
    "forecast_supply": "supply",
    "lead_time_demand": "forecast",
    "line_eta": "eta",
    "load": "sources",
    "open_run": "result",
    "order_eta": "eta",
    "plot_calibration": "plots",
    "plot_demand_forecast": "plots",
    "plot_explain": "plots_queue",
    "plot_lead_time_calibration": "plots_supply",
    "plot_lead_times": "plots",
    "plot_line_eta": "plots",
    "plot_projected_stock": "plots",
    "plot_promise_against_received": "plots_supply",
    "plot_queue": "plots",
    "plot_replay": "plots",
    "plot_risk": "plots",
    "plot_scores": "plots",
    "plot_supplier_survival": "plots_supply",
    "purchase_eta": "eta",
    "reorder_points": "reorder",
    "replay": "evaluate",
    "run": "pipeline",
    "simulate": "queue",
    "supplier_scorecard": "suppliers",
    "supplier_survival": "suppliers",
}

__all__ = sorted([*_ROOMS, "__version__"])  # derived, so that it cannot drift


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_ROOMS[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


if TYPE_CHECKING:  # what type checkers see; at run time names are imported on first use
    from .change import Change as Change
    from .comparison import compare_rules as compare_rules
    from .config import Config as Config
    from .dataset import Dataset as Dataset
    from .demand import forecast_demand as forecast_demand
    from .errors import (
        BackorderForecastError as BackorderForecastError,
    )
    from .errors import (
        ConfigError as ConfigError,
    )
    from .errors import (
        InputError as InputError,
    )
    from .errors import (
        NotAvailable as NotAvailable,
    )
    from .eta import line_eta as line_eta
    from .eta import order_eta as order_eta
    from .eta import purchase_eta as purchase_eta
    from .evaluate import replay as replay
    from .forecast import Forecast as Forecast
    from .forecast import lead_time_demand as lead_time_demand
    from .law import Law as Law
    from .lead_time import fit_lead_times as fit_lead_times
    from .panel import forecast_panel as forecast_panel
    from .past import Past as Past
    from .pipeline import run as run
    from .plots import plot_calibration as plot_calibration
    from .plots import plot_demand_forecast as plot_demand_forecast
    from .plots import plot_lead_times as plot_lead_times
    from .plots import plot_line_eta as plot_line_eta
    from .plots import plot_projected_stock as plot_projected_stock
    from .plots import plot_queue as plot_queue
    from .plots import plot_replay as plot_replay
    from .plots import plot_risk as plot_risk
    from .plots import plot_scores as plot_scores
    from .plots_queue import plot_explain as plot_explain
    from .plots_supply import plot_lead_time_calibration as plot_lead_time_calibration
    from .plots_supply import plot_promise_against_received as plot_promise_against_received
    from .plots_supply import plot_supplier_survival as plot_supplier_survival
    from .queue import simulate as simulate
    from .reorder import reorder_points as reorder_points
    from .result import Run as Run
    from .result import open_run as open_run
    from .risk import backorder_risk as backorder_risk
    from .sources import load as load
    from .suppliers import supplier_scorecard as supplier_scorecard
    from .suppliers import supplier_survival as supplier_survival
    from .supply import forecast_supply as forecast_supply
