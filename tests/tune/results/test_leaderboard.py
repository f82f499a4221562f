"""The leaderboard: who is ranked, against whom, and what the table says below."""

import dataclasses
import itertools

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedllm.config import FitConfig
from embedllm.errors import ConfigError
from tests.tune.results.trials import BASELINE, CONFIG, trial
from tune.records import TrialRecord, TrialState
from tune.results.footnotes import footnotes
from tune.results.leaderboard import leaderboard
from tune.results.scores import DeltaIntervals


def test_rows_are_ranked_by_the_objective_and_measured_against_the_baseline() -> None:
    frame = leaderboard([trial(0, 0.55), trial(1, 0.51), trial(2, 0.52), BASELINE])
    assert frame["trial"].tolist() == [1, 2, 0, 0]
    assert frame["role"].tolist() == ["trial", "trial", "baseline", "trial"], "the baseline stands at its place"
    assert frame["rank"].fillna(0).tolist() == [1, 2, 0, 3], "but takes no rank"
    assert frame["delta"].tolist() == pytest.approx([-0.02, -0.01, 0.0, 0.02])


def test_a_metric_to_maximise_ranks_from_the_highest() -> None:
    frame = leaderboard([trial(0, 0.55), trial(1, 0.51), trial(2, 0.52)], "val_accuracy")
    assert frame["trial"].tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    "short",
    [
        trial(9, 0.1, "PRUNED", budget=3, reason="above the median"),
        trial(9, None, "FAIL", budget=2, reason="loss is NaN"),
        trial(9, None, "RUNNING", budget=0),
        trial(9, 0.1, budget=3),
        trial(9, float("nan")),
        trial(9, None),
    ],
    ids=["pruned", "failed", "running", "complete but short of its budget", "not a number", "no value"],
)
def test_what_has_not_reached_its_budget_stands_below_without_a_rank(short: TrialRecord) -> None:
    frame = leaderboard([short, trial(0, 0.55), BASELINE])
    assert frame["trial"].tolist() == [0, 0, 9]
    assert frame["rank"].isna().tolist() == [True, False, True]
    assert frame["delta"].isna().tolist() == [False, False, True], "nor a difference"


def test_a_fit_with_patience_ends_its_budget_itself() -> None:
    patient = trial(9, 0.5, budget=4, config=CONFIG.replace(patience=2))
    assert leaderboard([patient, trial(0, 0.55)])["rank"].tolist() == [1, 2]


def test_unranked_rows_are_pruned_then_failed_then_running() -> None:
    states: list[TrialState] = ["RUNNING", "FAIL", "PRUNED", "COMPLETE"]
    frame = leaderboard([trial(number, 0.5, state) for number, state in enumerate(states)])
    assert frame["state"].tolist() == ["COMPLETE", "PRUNED", "FAIL", "RUNNING"]


def test_columns_carry_the_names_used_everywhere() -> None:
    frame = leaderboard([trial(0), BASELINE])
    assert list(frame.columns)[:12] == [
        "rank",
        "trial",
        "role",
        "state",
        "encoder",
        "embedding_dim",
        "noise",
        "training_questions",
        "learning_rate",
        "weight_decay",
        "batch_questions",
        "epochs",
    ]
    assert {"val_log_loss", "val_log_loss_sd", "val_accuracy", "delta", "budget", "seconds", "reason"} <= set(frame)
    assert {field.name for field in dataclasses.fields(FitConfig)} <= set(frame), "a row can be run again"


def test_test_metrics_are_shown_of_finalists_only() -> None:
    metrics = {"val_log_loss": 0.5, "test_log_loss": 0.4}
    records = [trial(0, metrics=metrics), trial(1, metrics=metrics), dataclasses.replace(BASELINE, metrics=metrics)]
    assert not [name for name in leaderboard(records) if name.startswith("test_")]
    finalists = {
        ("trial", 1): {"test_log_loss": 0.4, "test_log_loss_sd": 0.01},
        ("baseline", 0): {"test_log_loss": 0.45},
    }
    frame = leaderboard(records, finalists=finalists).set_index(["role", "trial"])
    assert frame.loc[("trial", 1), "test_log_loss"] == 0.4
    assert frame.loc[("trial", 1), "test_log_loss_sd"] == 0.01
    assert frame.loc[("baseline", 0), "test_log_loss"] == 0.45
    assert pd.isna(frame.loc[("trial", 0), "test_log_loss"]), "whatever its record holds"


def test_different_budgets_are_never_ranked_together() -> None:
    short = CONFIG.replace(epochs=5)
    records = [trial(0, 0.52), trial(1, 0.50), trial(2, 0.40, config=short, budget=5), BASELINE]
    records.append(trial(3, 0.51, config=short, budget=5))
    frame = leaderboard(records)
    assert frame["ranked_budget"].tolist() == [10, 10, 10, 5, 5, 5]
    assert frame["trial"].tolist() == [1, 0, 0, 2, 3, 0]
    assert frame["rank"].fillna(0).tolist() == [1, 2, 0, 1, 2, 0], "the baseline stands in each group, unranked"
    assert frame["role"].tolist() == ["trial", "trial", "baseline"] * 2
    assert leaderboard(records, top=1)["trial"].tolist() == [1, 0, 2, 0], "the best of every budget"
    assert footnotes(records, "val_log_loss")[1] == (
        "Budgets differ, so each has its own ranks: runs with fewer epochs are not comparable."
    )


def test_the_baseline_alone_is_a_group() -> None:
    frame = leaderboard([BASELINE, trial(0, None, "RUNNING", budget=0)])
    assert frame["ranked_budget"].fillna(0).tolist() == [50, 0]


def test_all_training_questions_are_told_alike_for_trials_and_the_baseline() -> None:
    records = [trial(0, config=CONFIG.replace(training_questions=2400)), BASELINE]
    assert leaderboard(records, num_train=2400)["training_questions"].isna().all()
    assert leaderboard(records, num_train=3000)["training_questions"].fillna(0).tolist() == [2400, 0]


def test_differences_carry_their_intervals() -> None:
    intervals = DeltaIntervals({("trial", 0): (-0.03, -0.01)}, questions=300)
    frame = leaderboard([trial(0, 0.51), trial(1, 0.52), BASELINE], intervals=intervals)
    assert frame["delta_low"].fillna(0).tolist() == [-0.03, 0, 0]
    assert frame["delta_high"].fillna(0).tolist() == [-0.01, 0, 0]


def test_top_keeps_the_best_and_the_baseline_wherever_it_stands() -> None:
    records = [*(trial(number, 0.5 + number / 100) for number in range(9)), BASELINE, trial(9, 0.1, "PRUNED")]
    frame = leaderboard(records, top=2)
    assert frame["rank"].fillna(0).tolist() == [1, 2, 0]
    assert frame["role"].tolist() == ["trial", "trial", "baseline"]


def test_sorting_by_another_column_keeps_ranks_and_leaves_the_unranked_below() -> None:
    records = [trial(0, 0.51, seconds=9.0), trial(1, 0.52, seconds=1.0), trial(2, 0.1, "PRUNED", seconds=0.1)]
    frame = leaderboard(records, sort="seconds")
    assert leaderboard(records, sort="seconds", top=1)["trial"].tolist() == [0], "the best are those of the objective"
    assert frame["trial"].tolist() == [1, 0, 2]
    assert frame["rank"].fillna(0).tolist() == [2, 1, 0]
    assert leaderboard(records, sort="val_accuracy")["trial"].tolist() == [0, 1, 2], "metrics: best first"


def test_differences_are_sorted_from_the_best_whatever_the_objective() -> None:
    records = [trial(0, 0.55), trial(1, 0.51), trial(2, 0.52), BASELINE]
    for objective in ("val_log_loss", "val_accuracy"):
        for column in ("delta", objective):
            frame = leaderboard(records, objective, sort=column)
            assert frame.loc[frame["role"] == "trial", "trial"].tolist() == [1, 2, 0], (objective, column)


def test_states_filter_rows_without_changing_ranks() -> None:
    records = [trial(0, 0.51), trial(1, 0.1, "PRUNED"), trial(2, None, "FAIL")]
    assert leaderboard(records, states=["PRUNED", "FAIL"])["trial"].tolist() == [1, 2]
    assert leaderboard(records, states=["COMPLETE"])["rank"].tolist() == [1]


def test_an_empty_sweep_is_an_empty_table() -> None:
    frame = leaderboard([])
    assert len(frame) == 0
    assert "delta" in frame.columns


def test_without_a_baseline_there_are_no_differences() -> None:
    assert leaderboard([trial(0)])["delta"].isna().all()
    failed = dataclasses.replace(BASELINE, state="FAIL", metrics={}, reason="out of memory")
    assert leaderboard([trial(0), failed])["delta"].isna().all()


def test_bad_options_are_told_all_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        leaderboard([], "test_accuracy", top=0, states=["DONE"])  # type: ignore[list-item]
    message = str(raised.value)
    assert "objective must be one of val_log_loss, " in message
    assert "but is 'test_accuracy'" in message
    assert "top must be at least 1 but is 0" in message
    assert "states must be among COMPLETE, PRUNED, FAIL, RUNNING but hold DONE" in message
    with pytest.raises(ConfigError, match=r"cannot sort by 'loss'; allowed: rank, trial, "):
        leaderboard([trial(0)], sort="loss")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["COMPLETE", "PRUNED", "FAIL", "RUNNING"]),
            st.one_of(st.none(), st.floats(0, 1, allow_nan=False), st.just(float("nan"))),
            st.integers(1, 10),
        ),
        max_size=12,
    ),
    st.sampled_from(["val_log_loss", "val_accuracy"]),
)
def test_ranks_agree_with_a_naive_ranking(rows: list[tuple[TrialState, float | None, int]], objective: str) -> None:
    records = [trial(number, value, state, budget=budget) for number, (state, value, budget) in enumerate(rows)]
    frame = leaderboard(records, objective)
    assert sorted(frame["trial"]) == list(range(len(rows))), "every record is a row, once"
    ranked = frame[frame["rank"].notna()]
    assert ranked["rank"].tolist() == list(range(1, len(ranked) + 1))
    assert set(ranked["trial"]) == {
        number
        for number, (state, value, budget) in enumerate(rows)
        if state == "COMPLETE" and budget == 10 and value is not None and value == value
    }
    better = (lambda a, b: a <= b) if objective == "val_log_loss" else (lambda a, b: a >= b)
    assert all(better(a, b) for a, b in itertools.pairwise(ranked[objective]))
