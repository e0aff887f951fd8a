"""Messages for people, and the exit codes of the contract."""

from __future__ import annotations

import pytest

from backorder_forecast import errors
from backorder_forecast.errors import InputError, Problem, did_you_mean

CODES = {
    "BackorderForecastError": 1,
    "ConfigError": 2,
    "UsageError": 2,
    "MissingExtra": 2,
    "NotAvailable": 2,
    "InputError": 3,
    "GateFailed": 4,
    "FolderLocked": 5,
}


@pytest.mark.parametrize("name", CODES)
def test_exit_codes_are_those_of_the_contract_and_drawn_in_the_tree(name: str) -> None:
    kind = getattr(errors, name)
    assert kind.exit_code == CODES[name]
    assert issubclass(kind, errors.BackorderForecastError)
    assert name in (errors.__doc__ or "")


def test_a_problem_says_table_column_count_share_examples_and_remedy() -> None:
    problem = Problem("stock", "on_hand", "is a number", 3, 0.03, tuple("abcdefg"), "write a number")
    text = str(problem)
    assert text == (
        "stock.on_hand: is a number; 3 rows (3 %), e.g. 'a', 'b', 'c', 'd', 'e'. To mend it: write a number"
    )


def test_long_examples_and_many_problems_are_bounded() -> None:
    assert len(str(Problem("t", "c", "x", 1, 0.5, ("y" * 500,)))) < 120
    error = InputError("no", [Problem("t", f"c{i}", "x") for i in range(100)])
    assert str(error).count("\n") == errors.MAX_SHOWN + 1
    assert "and 80 more" in str(error)
    assert len(error.problems) == 100


def test_did_you_mean_names_the_nearest_or_all() -> None:
    assert did_you_mean("order_line", ["order_lines", "stock"]) == "; did you mean 'order_lines'?"
    assert did_you_mean("zzz", ["b", "a"]) == "; known: a, b"
    assert did_you_mean("zzz", []) == ""


def test_not_available_answers_hasattr() -> None:
    class Lacking:
        def __getattr__(self, name: str) -> None:
            raise errors.NotAvailable(f"{name} needs stock")

    assert not hasattr(Lacking(), "line_eta")
