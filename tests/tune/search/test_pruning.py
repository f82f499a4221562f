"""Pruning rules, compared with Optuna's own pruners on the same curves."""

import math

import numpy as np
import optuna
import pytest

from tune.search.pruning import History, PackPruner

EPOCHS = 10
OPTUNA = {
    "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=5),
    "successive-halving": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=EPOCHS, reduction_factor=3),
}


def curves(count: int, seed: int) -> np.ndarray:
    """(count, EPOCHS) falling losses that cross now and then."""
    rng = np.random.default_rng(seed)
    start, rate = rng.uniform(0.6, 0.8, (count, 1)), rng.uniform(0.01, 0.3, (count, 1))
    return start * np.exp(-rate * np.arange(EPOCHS)) + 0.01 * rng.normal(size=(count, EPOCHS))


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("rule", list(OPTUNA))
def test_one_trial_after_another_agrees_with_optuna(rule: str, maximize: bool) -> None:
    losses = curves(60, seed=1) * (-1 if maximize else 1)
    study = optuna.create_study(
        study_name="sweep", pruner=OPTUNA[rule](), direction="maximize" if maximize else "minimize"
    )
    complete: dict[int, list[float]] = {}
    pruned: dict[int, list[float]] = {}
    for number, curve in enumerate(losses.tolist()):
        pruner = PackPruner(
            rule,
            maximize=maximize,
            epochs=EPOCHS,
            history=History(complete, pruned),
            alone=False,  # type: ignore[arg-type]
        )
        trial = study.ask()
        stopped = None
        for epoch, value in enumerate(curve, start=1):
            trial.report(value, epoch)
            ours = pruner.report(epoch, {number: value})
            # Optuna may prune after the last epoch, when nothing is left to save; we do not.
            assert ours == ([number] if trial.should_prune() and epoch < EPOCHS else [])
            if ours:
                stopped = epoch
                break
        (pruned if stopped else complete)[number] = curve[: stopped or EPOCHS]
        study.tell(trial, state=optuna.trial.TrialState.PRUNED) if stopped else study.tell(trial, curve[-1])
    assert len(complete) >= 3
    assert len(pruned) >= 10


def test_halving_inside_a_pack_keeps_a_third() -> None:
    pruner = PackPruner("successive-halving", maximize=False, epochs=10, history=History(), alone=False)
    dropped = pruner.report(1, {number: float(number) for number in range(9)})
    assert dropped == [3, 4, 5, 6, 7, 8]
    assert pruner.report(2, {0: 0.0, 1: 1.0, 2: 2.0}) == []
    assert pruner.report(3, {0: 0.0, 1: 1.0, 2: 2.0}) == [1, 2]


def test_alone_ignores_the_rest_of_the_pack() -> None:
    history = History(complete={0: [0.5] * 10, 1: [0.7] * 10, 2: [0.9] * 10})
    for company in ({}, {4: 0.1, 5: 0.1}):
        pruner = PackPruner("successive-halving", maximize=False, epochs=10, history=history, alone=True)
        assert 3 not in pruner.report(1, {3: 0.4, **company})
        pruner = PackPruner("successive-halving", maximize=False, epochs=10, history=history, alone=True)
        assert 3 in pruner.report(1, {3: 0.6, **company})


@pytest.mark.parametrize("rule", [*OPTUNA, "none"])
def test_nan_and_the_last_epoch_are_left_alone(rule: str) -> None:
    history = History(complete={number: [0.1] * 10 for number in range(8)})
    pruner = PackPruner(rule, maximize=False, epochs=10, history=history, alone=False)  # type: ignore[arg-type]
    assert pruner.report(1, {10: math.nan}) == []
    assert pruner.report(10, {10: 0.9}) == []
