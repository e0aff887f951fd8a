"""The output table `lead_times`: what a new order's law says, beside what was seen of its supplier and item."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..law import Law
from ..tables import check_output
from .punctual import punctuality


def lead_time_table(law: Law, purchases: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """The output table `lead_times` from the laws of new orders, one a (supplier_id, item_id), on `day`.

    purchases: every known purchase line. `stuck_prob` is the mass that lies beyond the law's longest day;
    `p90_over_p50` is empty where either quantile is, or where a new order comes at once.
    """
    out = law.index.reset_index(drop=True).copy()
    seen = _seen(purchases, day, [str(x) for x in out]).reindex(pd.MultiIndex.from_frame(out))
    out["n_received"], out["n_open"] = seen["came"].to_numpy(np.int64), seen["waits"].to_numpy(np.int64)
    out["mean_days"] = law.mean()
    out[["p10_days", "p50_days", "p90_days"]] = law.quantile_array([0.1, 0.5, 0.9])
    out["p90_over_p50"] = out["p90_days"] / out["p50_days"].where(out["p50_days"] > 0)
    out["stuck_prob"] = np.clip(1.0 - law.table[:, -1], 0.0, 1.0)
    out["on_time_rate"], out["bias_days"] = seen["kept"].to_numpy(), seen["slip_days"].to_numpy()
    return check_output("lead_times", out)


def _seen(purchases: pd.DataFrame, day: pd.Timestamp, by: list[str]) -> pd.DataFrame:
    """By pair: purchases received and open; of those whose first date has come the share that kept it, and the slip."""
    rows = purchases[by].reset_index(drop=True).join(punctuality(purchases, day))
    rows["came"] = (purchases["received_qty"] > 0).to_numpy(bool)
    rows["waits"] = (purchases["open_qty"] > 0).to_numpy(bool)
    grouped = rows.groupby(by)
    return grouped[["came", "waits"]].sum().join(grouped[["kept", "slip_days"]].mean())
