"""What comes out of Ray Tune when the queue raises: its own error, not a traceback of Ray Tune's."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import tune

from embedllm.errors import EmbedLLMError
from tune.engine.execution import run_orders
from tune.engine.slots import Slots


class Tuner:
    """Fails as Ray Tune does: with a TuneError raised while an error is handled."""

    cause: Exception

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def fit(self) -> None:
        try:
            raise self.cause
        except Exception:
            raise tune.TuneError("Traceback (most recent call last): ...")  # noqa: B904


@pytest.mark.parametrize(
    ("cause", "raised"),
    [
        (EmbedLLMError("free some space"), EmbedLLMError),
        (OSError(28, "No space left on device"), OSError),
        (ValueError("a bug"), tune.TuneError),
    ],
)
def test_errors_meant_for_the_user_come_out(
    cause: Exception, raised: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tuner, "cause", cause, raising=False)
    monkeypatch.setattr("ray.tune.Tuner", Tuner)
    monkeypatch.setattr("ray.get_runtime_context", lambda: SimpleNamespace(gcs_address="127.0.0.1:1"))
    (tmp_path / "ray").mkdir()
    with pytest.raises(raised) as caught:
        run_orders(None, None, None, Slots(1, 1, 0.0), tmp_path / "ray", most=1)  # type: ignore[arg-type]
    assert raised is tune.TuneError or caught.value is cause
    assert not (tmp_path / "ray").exists()
