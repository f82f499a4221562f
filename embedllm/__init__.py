"""EmbedLLM (arXiv 2410.02223): one compact vector per LLM, learned from which questions it answers right.

    from embedllm import CorrectnessMatrix, fit_and_compare, preset

    data = CorrectnessMatrix.load("data")
    comparison = fit_and_compare(data, preset("fast").replace(encoder="lsa"), seeds=3)
    print(comparison.table())

Names are imported on first use: the command line's `--help` must not wait for torch.
"""

import os
from typing import TYPE_CHECKING

from embedllm.lazy import imported_on_use

if TYPE_CHECKING:
    from embedllm.artifact import Artifact, load_artifact, save_artifact
    from embedllm.config import PRESETS, FitConfig, preset
    from embedllm.data import CorrectnessMatrix, Split, import_data, simulate
    from embedllm.encoders import encode_data
    from embedllm.errors import ConfigError, DataError, EmbedLLMError
    from embedllm.experiment import Comparison, fit_and_compare
    from embedllm.model import EmbedLLM
    from embedllm.training import FitData, FitResult, fit, fit_many
    from embedllm.version import __version__

# GNU OpenMP lets idle threads spin for long. On a machine with other work to do that slows steps of less than a
# millisecond tenfold and more (benchmarks/RESULTS.md); this bound costs nothing on an idle one. Read when torch loads.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

__getattr__ = imported_on_use(
    __name__,
    {
        "artifact": ("Artifact", "load_artifact", "save_artifact"),
        "config": ("PRESETS", "FitConfig", "preset"),
        "data": ("CorrectnessMatrix", "Split", "import_data", "simulate"),
        "encoders": ("encode_data",),
        "errors": ("ConfigError", "DataError", "EmbedLLMError"),
        "experiment": ("Comparison", "fit_and_compare"),
        "model": ("EmbedLLM",),
        "training": ("FitData", "FitResult", "fit", "fit_many"),
        "version": ("__version__",),
    },
)

__all__ = [
    "PRESETS",
    "Artifact",
    "Comparison",
    "ConfigError",
    "CorrectnessMatrix",
    "DataError",
    "EmbedLLM",
    "EmbedLLMError",
    "FitConfig",
    "FitData",
    "FitResult",
    "Split",
    "__version__",
    "encode_data",
    "fit",
    "fit_and_compare",
    "fit_many",
    "import_data",
    "load_artifact",
    "preset",
    "save_artifact",
    "simulate",
]
