"""Ray Tune's view of a sweep: a searcher that suggests whole packs, and a callback that hears of their end."""

from pathlib import Path
from typing import Any

from ray import cloudpickle
from ray.exceptions import RayTaskError
from ray.tune import Callback
from ray.tune.search import Searcher

from tune.dispatch import Dispatcher
from tune.trainable import OUTCOME, TICKET, Ticket

REASON_LENGTH = 200
"""Characters kept of Ray's account of a worker's death."""


class PackSearcher(Searcher):
    """Suggests packs to Ray Tune, for which a pack is a trial."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__()
        self._dispatcher = dispatcher

    def __getstate__(self) -> dict[str, Any]:
        # Ray Tune pickles an experiment for `Tuner.restore`, which a sweep has no use for; the dispatcher stays here.
        return {}

    def suggest(self, trial_id: str) -> Any:
        """The next pack, None while there is none, FINISHED once there will be none."""
        order = self._dispatcher.next_order(trial_id)
        if order is not None:
            return {TICKET: Ticket(order)}
        return Searcher.FINISHED if self._dispatcher.done else None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing: the callback has been told already."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the study knows all."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: a sweep resumes from its study."""


class PackCallback(Callback):
    """Hands outcomes from Ray Tune to the dispatcher, in the driver."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def __getstate__(self) -> dict[str, Any]:
        # Ray Tune pickles an experiment for `Tuner.restore`, which a sweep has no use for; the dispatcher stays here.
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A pack was trained. Its outcome is taken out of the result, which Ray Tune would keep."""
        self._dispatcher.finished(trial.trial_id, result.pop(OUTCOME))
        _release(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The pack's worker raised or died."""
        self._dispatcher.died(trial.trial_id, _reason(trial))
        _release(trial)


def _release(trial: Any) -> None:
    trial.config[TICKET].order = None


def _reason(trial: Any) -> str:
    """What happened to the pack's worker, in one line: an exception's last line, or the first of Ray's obituary."""
    if not trial.pickled_error_file or not Path(trial.pickled_error_file).is_file():
        return "no reason is known"
    error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if isinstance(error, RayTaskError) else lines[0][:REASON_LENGTH]
