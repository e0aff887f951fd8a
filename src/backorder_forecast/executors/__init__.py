"""One map over item partitions: this machine's threads."""

from .threads import partitions, run_partitions

__all__ = ["partitions", "run_partitions"]
