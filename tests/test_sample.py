"""The committed sample is what the command writes."""

from pathlib import Path

from backorder_forecast.sample import write_sample
from backorder_forecast.synthetic import sample_spec

SAMPLE = Path(__file__).parent.parent / "data" / "sample"


def test_the_committed_sample_is_what_the_command_writes(tmp_path):
    write_sample(tmp_path, sample_spec())
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in SAMPLE.iterdir() if path.name != "README.md"}
    assert written.keys() == kept.keys()
    assert written["backorder.toml"] == kept["backorder.toml"]
    assert [name for name in kept if written[name] != kept[name]] == []
