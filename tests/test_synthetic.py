"""The made-up company: its tables fit together, its truth is the truth, and its continuation follows the same
law."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backorder_forecast.errors import UsageError
from backorder_forecast.synthetic import (
    REGIMES,
    Company,
    Spec,
    regime,
    sample_spec,
    sample_tables,
    simulate_company,
    true_ship_days,
)
from backorder_forecast.synthetic.company import Moment, _new_log, _run
from backorder_forecast.synthetic.draws import NewLines
from backorder_forecast.synthetic.moment import Redraw
from backorder_forecast.synthetic.state import COMMITTED, FIRM, WAITING
from backorder_forecast.synthetic.world import NEVER

SMALL = {"items": 30, "days": 300, "suppliers": 4, "seed": 2}
KEYS = {
    "items": ["item_id"],
    "policies": ["item_id", "location_id", "stated_at"],
    "order_lines": ["line_id"],
    "stock": ["item_id", "location_id", "date"],
    "purchase_lines": ["po_line_id"],
    "customers": ["customer_id"],
    "suppliers": ["supplier_id"],
    "calendar": ["date"],
    "drivers": ["item_id", "location_id", "date"],
}


@pytest.fixture(scope="module", params=sorted(REGIMES))
def company(request: pytest.FixtureRequest) -> Company:
    return simulate_company(regime(request.param, **SMALL))


@pytest.fixture(scope="module")
def base() -> Company:
    return simulate_company(regime("base", **SMALL))


def test_keys_are_unique_and_ids_known(company: Company) -> None:
    tables = company.tables
    for name, key in KEYS.items():
        assert not tables[name].duplicated(key).any(), name
    for name in ("shipments", "cancellations", "line_changes", "line_promises"):
        assert tables[name]["line_id"].isin(tables["order_lines"]["line_id"]).all()
    for name in ("receipts", "purchase_cancellations", "purchase_promises"):
        assert tables[name]["po_line_id"].isin(tables["purchase_lines"]["po_line_id"]).all()
    assert (company.truth["line_id"] == tables["order_lines"]["line_id"]).all()


def test_units_are_conserved(company: Company) -> None:
    """Nothing is shipped or received twice, and what leaves a line is what was ordered at most."""
    tables = company.tables
    for orders, key, moves in (
        ("order_lines", "line_id", ("shipments", "cancellations")),
        ("purchase_lines", "po_line_id", ("receipts", "purchase_cancellations")),
    ):
        ordered = tables[orders].set_index(key)["qty"]
        moved = pd.concat([tables[name] for name in moves]).groupby(key)["qty"].sum()
        assert (moved <= ordered.reindex(moved.index)).all()
        assert (pd.concat([tables[name]["qty"] for name in (orders, *moves)]) > 0).all()
    for frame in tables.values():
        if "qty" in frame:
            assert (frame["qty"] % 1 == 0).all()


def test_stock_rows_are_the_rolled_flows(company: Company) -> None:
    if company.spec.late_booking:
        pytest.skip("the regime breaks this on purpose")
    tables = company.tables
    sku = ["item_id", "location_id"]
    lines, bought = tables["order_lines"], tables["purchase_lines"]
    flows = pd.concat(
        [
            tables["receipts"]
            .merge(bought, on="po_line_id", suffixes=("", "_ordered"))
            .rename(columns={"received_at": "at"}),
            tables["shipments"]
            .merge(lines, on="line_id", suffixes=("", "_ordered"))
            .rename(columns={"shipped_at": "at"})
            .assign(qty=lambda rows: -rows["qty"]),
            tables["stock_movements"].rename(columns={"moved_at": "at"}),
        ]
    )[[*sku, "at", "qty"]].assign(date=lambda rows: rows["at"].dt.normalize())
    daily = flows.pivot_table(index="date", columns=sku, values="qty", aggfunc="sum", fill_value=0.0)
    daily = daily.reindex(company.world.dates, fill_value=0.0).cumsum()
    stock = tables["stock"].pivot_table(index="date", columns=sku, values="on_hand")
    assert (stock.min() >= 0).all()
    opening = stock.iloc[0].fillna(0.0)
    rolled = daily.reindex(columns=stock.columns, fill_value=0.0).reindex(stock.index[1:]) + opening
    seen = stock.iloc[1:]
    np.testing.assert_array_equal(rolled.where(seen.notna()).to_numpy(), seen.to_numpy())


def test_goods_move_on_working_days_and_after_their_order(company: Company) -> None:
    tables, working = company.tables, company.tables["calendar"].set_index("date")["working"]
    for name, date in (
        ("shipments", "shipped_at"),
        ("receipts", "received_at"),
        ("purchase_lines", "ordered_at"),
    ):
        assert working.reindex(tables[name][date].dt.normalize()).all(), name
    for orders, key, move, date in (
        ("order_lines", "line_id", "shipments", "shipped_at"),
        ("order_lines", "line_id", "cancellations", "cancelled_at"),
        ("purchase_lines", "po_line_id", "receipts", "received_at"),
        ("purchase_lines", "po_line_id", "purchase_cancellations", "cancelled_at"),
    ):
        ordered = tables[move][key].map(tables[orders].set_index(key)["ordered_at"])
        assert (tables[move][date] > ordered).all()


def test_truth_is_the_last_shipment_of_lines_that_did_not_cancel(company: Company) -> None:
    tables, truth = company.tables, company.truth.set_index("line_id")
    lines = tables["order_lines"].set_index("line_id")
    shipped = tables["shipments"].groupby("line_id").agg(qty=("qty", "sum"), last=("shipped_at", "max"))
    whole = shipped[shipped["qty"] == lines["qty"].reindex(shipped.index)]
    assert (truth["ship_date"].reindex(whole.index) == whole["last"].dt.normalize()).all()
    stayed = truth[truth["cancelled_at"].isna() & truth["ship_date"].notna()]
    assert set(stayed.index) == set(whole.index)
    ghosts = truth.dropna(subset=["cancelled_at", "ship_date"])
    assert len(ghosts) > 10
    assert (ghosts["ship_date"] >= ghosts["cancelled_at"]).all()


def test_ship_complete_orders_leave_together(company: Company) -> None:
    lines = company.tables["order_lines"].query("ship_complete")
    days = company.tables["shipments"].merge(lines, on="line_id").groupby("order_id")["shipped_at"].nunique()
    assert len(days) > 20
    assert (days == 1).all()
    orders = lines.groupby("order_id")
    assert (orders["item_id"].nunique() == orders.size()).all()
    assert (orders["location_id"].min() == orders["location_id"].max()).all()


def test_items_and_lines_of_every_kind_are_there(base: Company) -> None:
    tables = base.tables
    items, lines = tables["items"], tables["order_lines"].merge(tables["items"], on="item_id")
    assert set(items["unmet_demand"]) == {"lost", "backorder"}
    assert set(tables["policies"]["policy"]) == {"rQ", "sS", "base_stock"}
    new = lines[lines["introduced_date"].notna()]
    gone = lines[lines["discontinued_date"].notna()]
    assert (new["ordered_at"] >= new["introduced_date"]).all()
    assert (gone["ordered_at"] < gone["discontinued_date"]).all()
    lost = lines[lines["unmet_demand"] == "lost"]["line_id"]
    assert not tables["cancellations"]["line_id"].isin(lost).any()
    assert set(tables["line_changes"]["field"]) == {"qty", "requested_date"}
    assert not tables["order_lines"]["allow_partial"].all()
    assert tables["order_lines"]["requested_date"].notna().any()
    assert tables["receipts"].duplicated("po_line_id").any()
    assert tables["drivers"]["date"].max() > tables["stock"]["date"].max()


def test_changed_lines_carry_the_present_value(base: Company) -> None:
    tables = base.tables
    last = tables["line_changes"].query("field == 'qty'").drop_duplicates("line_id", keep="last")
    now = last["line_id"].map(tables["order_lines"].set_index("line_id")["qty"])
    assert (last["value"].astype(float) == now).all()
    assert (last["old_value"] != last["value"]).all()


def test_priority_is_a_quarter_of_the_lines_and_only_there(company: Company) -> None:
    share = (company.tables["order_lines"]["priority"] == 0).mean()
    assert 0.15 < share < 0.35 if company.spec.priority else share == 1


def _bytes(tables: dict[str, pd.DataFrame]) -> bytes:
    out = io.BytesIO()
    for name in sorted(tables):
        tables[name].to_csv(out, index=False)
    return out.getvalue()


def test_a_seed_gives_the_same_bytes_and_another_gives_others(base: Company) -> None:
    again = simulate_company(base.spec)
    assert _bytes(again.tables) == _bytes(base.tables)
    assert (again.truth["ship_date"].dropna() == base.truth["ship_date"].dropna()).all()
    other = simulate_company(regime("base", **{**SMALL, "seed": 3}))
    assert _bytes(other.tables) != _bytes(base.tables)


def test_a_state_resumed_with_the_same_chances_is_the_same_company(company: Company) -> None:
    """Nothing that matters is missing from the state: two halves make the whole."""
    moment = company.at(150)
    here = len(moment.state.lines)
    past = NewLines(*(part[:here] for part in company.lines))
    coming = NewLines(*(part[here:] for part in company.lines))
    coming = coming._replace(order=coming.order - len(moment.state.orders))
    chance = company.chance
    later = chance._replace(
        first=151,
        uniform=chance.uniform[:, :, 151:],
        movement=chance.movement[:, 151:],
        down=chance.down[:, 151:],
    )
    assert _new_log(company.world, coming, moment.state, 1).used[0] == 0
    resumed = _run(company.world, past, coming, Moment(150, moment.state), later, company, company.last_day)
    for name, frame in resumed.tables.items():
        pd.testing.assert_frame_equal(frame, company.tables[name], obj=name)
    pd.testing.assert_frame_equal(resumed.truth, company.truth)


def test_a_continuation_keeps_the_past_and_changes_the_future(base: Company) -> None:
    first, again, other = (base.continue_from(200, seed) for seed in (1, 1, 2))
    assert _bytes(first.tables) == _bytes(again.tables)
    assert _bytes(first.tables) != _bytes(other.tables)
    night = base.world.dates[201]
    for name, date in {
        "order_lines": "ordered_at",
        "shipments": "shipped_at",
        "cancellations": "cancelled_at",
        "purchase_lines": "ordered_at",
        "receipts": "received_at",
        "line_changes": "changed_at",
        "line_promises": "stated_at",
        "stock": "date",
    }.items():
        both = [
            company.tables[name].loc[lambda rows, date=date: rows[date] < night] for company in (first, base)
        ]
        if name == "order_lines":  # their present content is allowed to change
            both = [frame.drop(columns=["qty", "requested_date"]) for frame in both]
        pd.testing.assert_frame_equal(*(frame.reset_index(drop=True) for frame in both), obj=name)
    assert first.last_day == base.last_day
    assert base.continue_from(200, 1, days=40).last_day == 240
    assert len(first.at(150).state.lines) == len(base.at(150).state.lines)


def test_what_cannot_be_meant_is_refused(base: Company) -> None:
    with pytest.raises(UsageError, match="outside"):
        base.at(1000)
    with pytest.raises(UsageError, match="at most"):
        base.continue_from(299, 1, days=300)
    with pytest.raises(UsageError, match="unknown regime"):
        regime("bsae")
    with pytest.raises(UsageError, match="at least one"):
        Spec(items=0)
    assert base.day_number("2024-07-11") == 10


def test_true_days_are_those_of_the_open_lines(base: Company) -> None:
    days = true_ship_days(base, 220, n=30, seed=4, horizon=120)
    lines, night = base.tables["order_lines"], base.world.dates[221]
    known = lines[lines["ordered_at"] < night].set_index("line_id")
    moved = [
        base.tables[name].loc[lambda rows, date=date: rows[date] < night]
        for name, date in (("shipments", "shipped_at"), ("cancellations", "cancelled_at"))
    ]
    done = pd.concat(moved).groupby("line_id")["qty"].sum()
    later = (
        base.tables["line_changes"]
        .query("changed_at >= @night and field == 'qty'")
        .drop_duplicates("line_id")
    )
    qty = known["qty"].copy()
    qty.update(later.set_index("line_id")["old_value"].astype(float))
    still_open = qty[qty > done.reindex(qty.index, fill_value=0.0)].index
    assert sorted(days.index) == sorted(still_open)
    pd.testing.assert_frame_equal(days, true_ship_days(base, 220, n=30, seed=4, horizon=120))
    assert ((days == -1) | ((days >= 1) & (days <= 120))).all(axis=None)


def test_continuations_and_the_true_days_have_one_law(base: Company) -> None:
    """The full continuation (ghosts and finished lines in the state) against the small one."""
    day, n = 220, 150
    sample = true_ship_days(base, day, n=200, seed=1, horizon=75)
    start = base.world.dates[day]
    ships = [base.continue_from(day, seed).truth.set_index("line_id")["ship_date"] for seed in range(n)]
    full = pd.concat([(dates.reindex(sample.index) - start).dt.days for dates in ships], axis=1)
    full, small = full.where(full <= 75, 76).fillna(76), sample.where(sample > 0, 76)
    gap = full.mean(axis=1) - small.mean(axis=1)
    noise = np.sqrt(full.var(axis=1) / n + small.var(axis=1) / 200)
    scaled = (gap / noise)[noise > 0.01]
    assert len(scaled) > 30
    assert abs(gap.mean()) < 0.4
    assert (scaled.abs() < 4).mean() > 0.97


def test_realised_truths_are_uniform_under_the_true_law() -> None:
    """Randomised transform of what happened under the sampled law: a tenth of it below .1, and so on."""
    rng, values = np.random.default_rng(5), []
    for seed in (11, 12):
        company = simulate_company(regime("base", items=120, days=420, seed=seed))
        for day in (150, 200, 250):
            sample = true_ship_days(company, day, n=40, seed=3, horizon=160)
            ship = company.truth.set_index("line_id")["ship_date"].reindex(sample.index)
            seen = (ship - company.world.dates[day]).dt.days
            seen = seen.where(seen <= 160).fillna(999).to_numpy()[:, None]
            draws = sample.where(sample > 0, 999).to_numpy()
            below, same = (draws < seen).sum(axis=1), (draws == seen).sum(axis=1)
            u = (below + rng.random(len(below)) * (same + 1)) / (draws.shape[1] + 1)
            sku = company.truth.set_index("line_id").loc[sample.index, ["item_id", "location_id"]].sum(axis=1)
            unsure = draws.min(axis=1) < draws.max(axis=1)
            values.append(pd.Series(u, sku).to_frame("u")[unsure].assign(seed=seed))
    u = pd.concat(values)
    weights = 1 / u.groupby([u.index, "seed"])["u"].transform("size")
    for level in (0.1, 0.5, 0.9):
        share = np.average(u["u"] <= level, weights=weights)
        assert abs(share - level) < 0.06, (level, share)


@pytest.mark.parametrize("name", ["base", "common_delays", "drift"])
def test_redrawn_purchases_follow_the_law_given_their_age(name: str) -> None:
    """Conditioning against throwing away: fresh purchases kept only where they agree with what has been
    seen."""
    company = simulate_company(regime(name, **SMALL))
    moment = company.at(200)
    state, rng = moment.state, np.random.default_rng(0)
    redraw = Redraw.of(company.world, state, 200, company.chance.land)
    some = redraw.waiting[:40]
    drawn = []
    for _ in range(300):
        redraw.draw(company.world, state, company.chance.land, rng)
        drawn.append(state.purchases.due[some].copy())
    due = np.array(drawn)
    for column, purchase in enumerate(state.purchases[some]):
        item = company.world.item[purchase.sku]
        lead = 1 + np.searchsorted(company.world.lead_cdf[item], rng.random(20_000))
        stretch = company.world.stretch[purchase.day]
        nominal = np.minimum(purchase.day + np.ceil(lead * stretch).astype(int), len(company.world.dates) - 1)
        fresh = company.world.roll[company.chance.land[company.world.supplier[item], nominal]]
        fresh = np.where(rng.random(20_000) < 0.025, NEVER, fresh)
        kept = fresh[fresh > 200]
        if len(kept) < 500:
            continue
        seen = due[:, column]
        assert (seen > 200).all()
        middle = np.median(kept)
        share = (kept <= middle).mean()
        assert abs((seen <= middle).mean() - share) < 5 * np.sqrt(share * (1 - share) / 300) + 0.03


def test_redrawing_leaves_what_has_been_seen_alone(base: Company) -> None:
    before = base.at(200).state
    after = base.at(200).state
    Redraw.of(base.world, after, 200, base.chance.land).draw(
        base.world, after, base.chance.land, np.random.default_rng(1)
    )
    for field in ("status", "committed", "left", "wanted", "qty", "day", "passed"):
        assert (before.lines[field] == after.lines[field]).all()
    for field in ("sku", "day", "qty", "open", "came"):
        assert (before.purchases[field] == after.purchases[field]).all()
    waits = np.isin(after.lines.status, (WAITING, FIRM, COMMITTED))
    assert (after.flights.leave_day > 200).all()
    assert (after.lines.cancel_day[waits & (after.lines.status != COMMITTED)] > 200).all()


def test_a_typical_day_has_many_waiting_lines_on_many_items() -> None:
    company = simulate_company(regime("base", days=400))
    lines = company.at(380).state.lines
    waiting = lines[(lines.status == WAITING) & (lines.wanted < 380)]
    assert len(waiting) > 200
    assert len(np.unique(waiting.sku)) > 50


def test_the_sample_is_small() -> None:
    tables = sample_tables()
    assert 30_000 < len(tables["order_lines"]) < 80_000
    assert 150 <= len(tables["stock"].drop_duplicates(["item_id", "location_id"])) <= 250
    assert sample_spec(4).seed == 4


def test_the_committed_sample_is_this_company() -> None:
    folder, tables = Path(__file__).parents[1] / "data" / "sample", sample_tables()
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert {f"{name}.parquet" for name in tables} <= set(sizes)
    assert max(sizes.values()) < 1_500_000
    assert sum(sizes.values()) < 5_000_000
    assert "made-up" in (folder / "README.md").read_text(encoding="utf-8")
    for name, columns in {"order_lines": ["line_id", "qty"], "shipments": ["line_id", "shipped_at"]}.items():
        kept = pd.read_parquet(folder / f"{name}.parquet", columns=columns)
        assert kept.astype(str).equals(tables[name][columns].astype(str))
