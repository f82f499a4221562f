"""The engine: Optuna proposes, Ray Tune schedules packs of trials, packs train fused, MLflow records.

    from tune import SearchSpace, SweepConfig
    from tune.runner import run_sweep

    result = run_sweep(SweepConfig(data="helm", trials=64, out="first"))

Only what is cheap to import is offered here; `tune.runner` brings Optuna and, once a sweep runs, Ray.
"""

from tune.config import Range, SearchSpace, SweepConfig
from tune.records import SweepListener, TrialRecord, TrialState

__all__ = ["Range", "SearchSpace", "SweepConfig", "SweepListener", "TrialRecord", "TrialState"]
