"""Import of correctness labels: official CSV folder, long and wide tables, lm-evaluation-harness logs."""

from embedllm.data.importing.report import ImportReport
from embedllm.data.importing.run import import_data

__all__ = ["ImportReport", "import_data"]
