"""The walls between the rooms."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_import_contracts_hold():
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_the_core_runs_without_pandas():
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "import backorder_forecast.core.queue_kernel, backorder_forecast.core.hazards, backorder_forecast.core.counts"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_public_name_can_be_had():
    import backorder_forecast as bf

    assert list(bf.__all__) == sorted(bf.__all__)
    for name in bf.__all__:
        assert getattr(bf, name) is not None
