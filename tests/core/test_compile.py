"""Machine code that is kept is not used once a part of it has changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from backorder_forecast.core import _compile

PART = "from ._compile import kernel\n\n@kernel()\ndef step(x):\n    return x + {}\n"
WHOLE = """import numba
from ._compile import kernel
from .part import step

@kernel(numba.float64(numba.float64))
def whole(x):
    return step(x)
"""


def value(folder):
    code = "from kept.whole import whole; print(whole(1.0), sum(whole.stats.cache_hits.values()))"
    env = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "PYTHONPATH"))}
    done = subprocess.run([sys.executable, "-c", code], env=env | {"PYTHONPATH": str(folder)}, capture_output=True,
                          text=True, check=True)  # fmt: skip
    return done.stdout.split()


def test_code_is_kept_until_any_module_it_is_made_of_changes(tmp_path):
    package = tmp_path / "kept"
    package.mkdir()
    shutil.copy(Path(_compile.__file__), package / "_compile.py")
    (package / "__init__.py").write_text("")
    (package / "whole.py").write_text(WHOLE)
    (package / "part.py").write_text(PART.format("1.0"))
    assert value(tmp_path) == ["2.0", "0"]
    assert value(tmp_path) == ["2.0", "1"]
    (package / "part.py").write_text(PART.format("10.0"))
    assert value(tmp_path) == ["11.0", "0"]
