"""Whatever is edited after the as-of day, in any table, no number of a run on that day moves."""

import numpy as np
import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast.synthetic import Spec, simulate_company
from backorder_forecast.tables import INPUT

DAY = pd.Timestamp("2024-12-02")
END = DAY + pd.Timedelta(days=1)
BATCHES, EDITS = 8, 30
CONFIG = {
    "simulation": {"scenarios": 25, "horizon_days": 60, "jobs": 1}, "replay": {"days": 1, "spacing_days": 21},
    "lead_time": {"clock": "confirmed_at"}, "report": {"charts": 2},
}  # fmt: skip
DATED = sorted(name for name, table in INPUT.items() if table.dated)
EVENTS = {
    "shipments": "line_id", "cancellations": "line_id", "line_promises": "line_id", "line_messages": "line_id",
    "receipts": "po_line_id", "purchase_cancellations": "po_line_id", "purchase_promises": "po_line_id",
}  # fmt: skip


def company():
    """A small company that uses every dated table, with rows known late and rows in several versions."""
    rng = np.random.default_rng(1)
    tables = dict(simulate_company(Spec(items=20, days=200, seed=5)).tables)
    items, stock = tables["items"], tables["stock"]
    early = items.assign(unit_cost=items.unit_cost * 0.9, known_at=pd.Timestamp("2024-07-01"))
    tables["items"] = pd.concat([early, items.sample(8, random_state=1).assign(known_at=pd.Timestamp("2024-10-01"))])
    bought = tables["purchase_lines"]
    wait = pd.to_timedelta(rng.integers(0, 15, len(bought)), unit="D")
    tables["purchase_lines"] = bought.assign(confirmed_at=bought.ordered_at.dt.floor("D") + wait)
    sku = stock[["item_id", "location_id"]].drop_duplicates().sample(6, random_state=2)
    left = pd.Timestamp("2024-10-01") + pd.to_timedelta(rng.integers(0, 80, 30), unit="D")
    moved = sku.iloc[rng.integers(0, 6, 30)].rename(columns={"location_id": "from_location_id"}).assign(
        transfer_id=[f"t{k}" for k in range(30)], location_id=sku.location_id.iloc[0], shipped_at=left, qty=1.0,
        received_at=left + pd.to_timedelta(rng.integers(1, 15, 30), unit="D"),
    )  # fmt: skip
    tables["transfers"] = moved
    tables["overrides"] = pd.DataFrame({"entity": "item", "entity_id": items.item_id, "field": "unit_cost",
                                        "value": "1", "author": "n", "stated_at": left[: len(items)]})  # fmt: skip
    lines = tables["order_lines"].sample(60, random_state=3)
    tables["line_messages"] = pd.DataFrame({"line_id": lines.line_id, "kind": "delay", "promised_date": DAY,
                                            "sent_at": lines.ordered_at + pd.Timedelta(days=4)})  # fmt: skip
    return {name: bf.Dataset.of({name: frame}).tables[name] for name, frame in tables.items()}


class Editor:
    """Makes one random edit after another to a copy of the tables, every one of them after the as-of day."""

    def __init__(self, tables, seed):
        self.tables, self.rng, self.made = dict(tables), np.random.default_rng(seed), []
        self.kinds = [self.insert, self.delete, self.change, self.event, self.outcome, self.booked_late, self.version,
                      self.amend]  # fmt: skip

    def edit(self):
        kind = self.kinds[self.rng.integers(len(self.kinds))]
        self.made.append(kind())

    def any_of(self, items):
        return items[self.rng.integers(len(items))]

    def later(self):
        """Often soon after the day: there a boundary that is a day off would show."""
        days = self.any_of([1, 3, 70])
        return END + pd.Timedelta(hours=int(self.rng.integers(0, 24 * days)))

    def moment(self):
        return DAY - pd.Timedelta(days=int(self.rng.integers(0, 60)))

    def row_of(self, name, chosen=None):
        """One row as a frame, of those `chosen` (default: all)."""
        frame = self.tables[name]
        rows = np.arange(len(frame)) if chosen is None else np.flatnonzero(chosen)
        return frame.iloc[[self.any_of(rows)]].reset_index(drop=True)

    def scramble(self, row):
        """Other quantities, dates and flags than it had."""
        row = row.copy()
        for name in row:
            if name in ("qty", "on_hand", "reorder_point", "order_qty", "order_up_to", "unit_cost", "unit_price"):
                row[name] = float(self.rng.integers(1, 500))
            elif name in ("promised_date", "requested_date", "received_at", "confirmed_at", "discontinued_date"):
                row[name] = self.later().floor("D")
        return row

    def add(self, name, row):
        for key in INPUT[name].key:
            if key.endswith(("line_id", "transfer_id")):
                row[key] = f"new{len(self.made)}-{self.rng.integers(1 << 40)}"
        self.tables[name] = pd.concat([self.tables[name], row], ignore_index=True)

    def late_rows(self, name):
        """Rows after the day; every other time those of the next three days, if there are any."""
        dates = self.tables[name][INPUT[name].dated]
        soon = (dates >= END) & (dates < END + pd.Timedelta(days=3))
        return (soon if soon.any() and self.rng.random() < 0.5 else dates >= END).to_numpy()

    def table_with_later_rows(self):
        found = [x for x in DATED if x in self.tables and x != "line_changes" and self.late_rows(x).any()]
        return self.any_of(found)

    def insert(self):
        name = self.any_of([x for x in DATED if x in self.tables and x != "line_changes"])
        self.add(name, self.scramble(self.row_of(name)).assign(**{INPUT[name].dated: self.later()}))
        return f"insert {name}"

    def delete(self):
        name = self.table_with_later_rows()
        gone = self.any_of(np.flatnonzero(self.late_rows(name)))
        self.tables[name] = self.tables[name].drop(index=gone).reset_index(drop=True)
        return f"delete {name}"

    def change(self):
        name = self.table_with_later_rows()
        at = self.any_of(np.flatnonzero(self.late_rows(name)))
        frame = self.tables[name].copy()
        new = self.scramble(frame.iloc[[at]]).assign(**{INPUT[name].dated: self.later()})
        self.tables[name] = pd.concat([frame.iloc[:at], new, frame.iloc[at + 1 :]], ignore_index=True)
        return f"change {name}"

    def event(self):
        """Something happens to a line or purchase that was known on the day."""
        name = self.any_of(sorted(EVENTS))
        parent = "order_lines" if EVENTS[name] == "line_id" else "purchase_lines"
        known = self.row_of(parent, self.tables[parent].ordered_at < END)
        row = self.scramble(self.row_of(name)).assign(**{INPUT[name].dated: self.later()})
        self.tables[name] = pd.concat([self.tables[name], row.assign(**{EVENTS[name]: known[EVENTS[name]]})],
                                      ignore_index=True)  # fmt: skip
        return f"event {name}"

    def outcome(self):
        """What happens, or does not, to a known row and stands in a column of its own."""
        name, column = self.any_of(
            [("purchase_lines", "confirmed_at"), ("transfers", "received_at"), ("shipments", "delivered_at")]
        )
        frame = self.tables[name]
        open_still = (frame[INPUT[name].dated] < END) & ~(frame[column] < END) & frame.known_at.isna()
        at = self.any_of(np.flatnonzero(open_still))
        new = self.any_of([self.later().as_unit("us"), pd.NaT])
        values = frame[column].where(np.arange(len(frame)) != at, new)
        self.tables[name] = frame.assign(**{column: values})
        return f"outcome {name}"

    def booked_late(self):
        """A row that speaks of a day before, and became known after."""
        name = self.any_of([x for x in self.tables if x not in ("line_changes", "stock")])
        row = self.scramble(self.row_of(name)).assign(known_at=self.later())
        if INPUT[name].dated:
            row[INPUT[name].dated] = self.moment()
        if name == "calendar":
            row["working"] = False
        self.add(name, row)
        return f"late {name}"

    def version(self):
        """A later version of a row that was known."""
        name = self.any_of(["items", "order_lines", "purchase_lines", "policies", "stock", "suppliers", "customers"])
        row = self.scramble(self.row_of(name)).assign(known_at=self.later())
        if name == "items":
            row["unmet_demand"], row["supplier_id"] = "lost", "somebody"
        self.tables[name] = pd.concat([self.tables[name], row], ignore_index=True)
        return f"version {name}"

    def amend(self):
        """Lines are changed later, their table showing it; or a later change turns out otherwise, or never was."""
        changes, lines = self.tables["line_changes"], self.tables["order_lines"].copy()
        late = np.flatnonzero((changes.changed_at >= END) & ~changes.duplicated(["line_id", "field"], keep="last"))
        # versions of a line share its id: what is amended is the only one there is
        single = ~lines.line_id.duplicated(keep=False) & lines.known_at.isna()
        late = late[changes.line_id.iloc[late].isin(lines.line_id[single]).to_numpy()]
        kind = self.any_of(["new", "other", "never"]) if len(late) else "new"
        if kind == "new":
            field = self.any_of(["qty", "requested_date", "priority", "ship_complete", "customer_id"])
            at = self.any_of(np.flatnonzero(single & (lines.ordered_at < END)))
            line, old = lines.line_id[at], lines[field][at]
            mine = changes[(changes.line_id == line) & (changes.field == field)]
            if pd.isna(old) or (mine.changed_at >= END).any():
                return self.amend()
            new = self.value(field)
            row = pd.DataFrame({"line_id": [line], "field": field, "value": str(new), "old_value": str(old),
                                "changed_at": self.later()})  # fmt: skip
            self.tables["line_changes"] = pd.concat([changes, row], ignore_index=True)
        else:
            chosen = self.any_of(late)
            field, old = changes.field[chosen], changes.old_value[chosen]
            at = np.flatnonzero(lines.line_id == changes.line_id[chosen])[0]
            new = self.value(field) if kind == "other" else self.parsed(field, old)
            changes = changes.copy()
            changes.loc[chosen, "value"] = str(new)
            gone = [] if kind == "other" else [chosen]
            self.tables["line_changes"] = changes.drop(index=gone).reset_index(drop=True)
        lines[field] = lines[field].where(np.arange(len(lines)) != at, new)
        self.tables["order_lines"] = lines
        return f"amend {kind} {field}"

    def value(self, field):
        if field == "requested_date":
            return (self.later() + pd.Timedelta(days=10)).floor("D").as_unit("us")
        qty, priority = float(self.rng.integers(1, 90)), int(self.rng.integers(1, 9))
        return {"qty": qty, "priority": priority, "ship_complete": True}.get(field, "somebody")

    @staticmethod
    def parsed(field, text):
        kinds = {"requested_date": lambda x: pd.Timestamp(x).as_unit("us"), "qty": float, "priority": int,
                 "ship_complete": lambda x: x == "True"}  # fmt: skip
        return kinds.get(field, str)(text)


@pytest.fixture(scope="module")
def tables():
    return company()


def tables_of(tables, day=DAY):
    told = bf.run(bf.Dataset.of(tables, bf.Config(**CONFIG)), day, seed=3)
    return told.tables | {"stock_paths": told.state["stock_paths"], "replay_lines": told.state["replay_lines"]}


@pytest.fixture(scope="module")
def base(tables):
    return tables_of(tables)


def differing(one, two):
    return [x for x in one if not one[x].equals(two[x])]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_edit_after_the_day_moves_a_number(tables, base, batch):
    editor = Editor(tables, batch)
    for _ in range(EDITS):
        editor.edit()
    edited = tables_of(editor.tables)
    assert edited.keys() == base.keys()
    for name, frame in base.items():
        pd.testing.assert_frame_equal(edited[name], frame, obj=f"{name} after {editor.made}")


def test_the_edits_are_many_of_every_kind_and_would_be_seen(tables, base):
    assert BATCHES * EDITS >= 200
    editor = Editor(tables, 99)
    for _ in range(900):
        editor.edit()
    for kind in ("insert", "delete", "change"):
        touched = {x.split()[1] for x in editor.made if x.startswith(f"{kind} ")}
        assert touched >= {"order_lines", "shipments", "receipts", "stock", "purchase_lines", "line_promises"}, kind
    assert {x.split()[1] for x in editor.made if x.startswith("insert")} == {
        x for x in DATED if x in tables and x != "line_changes"
    }
    assert {x.split()[1] for x in editor.made if x.startswith("amend")} == {"new", "other", "never"}
    others = {"version items", "version order_lines", "late calendar", "late receipts", "outcome purchase_lines"}
    assert others <= set(editor.made)
    assert {name for name, frame in base.items() if not len(frame)} == {"rejected_rows", "cleaning_log"}
    # twelve days on some of them are part of the past
    later = DAY + pd.Timedelta(days=12)
    moved = differing(tables_of(tables, later), tables_of(editor.tables, later))
    others = {"demand_forecast", "line_eta", "purchase_eta", "backorder_risk", "reorder_points", "lead_times",
              "supplier_scorecard"}  # fmt: skip
    assert others <= set(moved)
