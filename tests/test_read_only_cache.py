"""Where no cache folder can be written, kernels are compiled anew, quickly enough, and nothing else changes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import backorder_forecast

PACKAGE = Path(backorder_forecast.__file__).parent
NOWHERE = "/proc/self/no-such-folder"  # not even an administrator can make it
KERNELS = """
import sys, time
import numba, numpy, scipy.special
begin = time.process_time()
from backorder_forecast.core import chance, counts, hazards, queue_kernel, queue_layout, replenish
problem, tally, _ = queue_layout.smallest()
queue_kernel.simulate_components(problem, tally, 0, 1)  # the engine of the default rule; others only when asked for
spent = time.process_time() - begin
out = numpy.zeros((1, 3))
counts.mixture_cdf(numpy.ones((1, 1)), numpy.ones((1, 1)), numpy.full(1, 0.5), out)
print(out[0].tolist(), chance.find_day(numpy.array([0.2, 1.0]), 0.5), replenish.mean_left(out[0], 0, 1))
print(counts.__file__)
print(spent)
"""


def copied(folder):
    """The package without anything compiled, and with files where caches would be folders."""
    package = folder / "backorder_forecast"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for place in (package, package / "core"):
        (place / "__pycache__").write_text("")
    return package


def run(code, folder, **env):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "XDG_", "PYTHONPATH"))}
    return subprocess.run([sys.executable, "-W", "error", "-c", code], env=kept | {"PYTHONPATH": str(folder)} | env,
                          capture_output=True, text=True, check=False)  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody can write to")
def test_kernels_work_and_compile_quickly_where_nothing_can_be_written(tmp_path):
    package = copied(tmp_path)
    before = sorted(package.rglob("*"))
    done = run(KERNELS, tmp_path, HOME=NOWHERE, XDG_CACHE_HOME=NOWHERE, NUMBA_CACHE_DIR=NOWHERE)
    assert done.returncode == 0, done.stderr
    values, place, spent = done.stdout.splitlines()
    assert values == "[0.5, 0.75, 0.875] 1 0.5"
    assert place == str(package / "core" / "counts.py")
    assert float(spent) < 25  # 22 CPU s, 16 of them the queue, on a machine on which it had been 25.5
    assert sorted(package.rglob("*")) == before  # nothing was cached, here or elsewhere
    assert done.stderr == ""


def test_a_cache_is_kept_where_a_folder_is_named(tmp_path):
    package = copied(tmp_path / "package")
    code = "import backorder_forecast.core.chance as x; print(sum(x.find_day.stats.cache_hits.values()))"
    places = {"HOME": NOWHERE, "XDG_CACHE_HOME": NOWHERE, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    first, second = (run(code, package.parent, **places) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert list((tmp_path / "cache").rglob("*.nbi"))
    assert [int(x.stdout) for x in (first, second)] == [0, 1]


def test_a_failure_that_is_not_about_the_cache_is_not_swallowed():
    from backorder_forecast.core._compile import kernel

    def wrong():
        return "text" + 1

    with pytest.raises(Exception, match=r"nopython"):
        kernel("float64()")(wrong)
