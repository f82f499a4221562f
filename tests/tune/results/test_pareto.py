"""The Pareto front against its definition, and what is said about it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedllm.config import FitConfig
from embedllm.errors import ConfigError
from tune.records import TrialRecord, TrialState
from tune.results.pareto import front_frame, front_sentences, non_dominated, pareto_front, short_amount
from tune.results.pareto_table import render_front
from tune.search.objectives import Objective, objective_value, read_objectives

LOSS_AND_SIZE, _ = read_objectives(["val_log_loss", "training_questions"])


def trial(
    number: int, loss: float, size: int | None, *, epochs: int = 10, state: TrialState = "COMPLETE", **metrics: float
) -> TrialRecord:
    config = FitConfig(encoder="lsa", embedding_dim=8 + number, training_questions=size, epochs=epochs)
    budget = epochs if state == "COMPLETE" else 1
    found = {"val_log_loss": loss, "val_log_loss_sd": 0.001, "val_accuracy": 1 - loss, **metrics}
    return TrialRecord(number, state, config, 3, metrics=found, budget=budget, seconds=0.5, parameters=100 * number)


BASELINE = TrialRecord(0, "COMPLETE", FitConfig(encoder="lsa"), 3, "baseline", metrics={"val_log_loss": 0.1}, budget=50)
TRIALS = [
    trial(0, 0.60, 100),
    trial(1, 0.541, 600),
    trial(2, 0.545, 700),
    trial(3, 0.539, 2400),
    trial(4, 0.55, 300),
    trial(5, 0.01, 50, state="PRUNED"),
    trial(6, 0.01, 50, state="FAIL"),
]


def naive_front(records: list[TrialRecord], objectives: list[Objective]) -> set[int]:
    """By definition: nobody of the same full budget is at least as good everywhere and better somewhere."""

    def values(record: TrialRecord) -> list[float]:
        found = []
        for objective in objectives:
            value = objective_value(record, objective.name)
            assert value is not None
            found.append(value if objective.direction == "minimize" else -value)
        return found

    def dominates(other: TrialRecord, record: TrialRecord) -> bool:
        if other.config.epochs != record.config.epochs and all(o.name not in ("epochs", "seconds") for o in objectives):
            return False
        pairs = list(zip(values(other), values(record), strict=True))
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    return {r.trial for r in records if not any(dominates(other, r) for other in records)}


@given(
    points=st.lists(st.tuples(st.integers(0, 6), st.integers(1, 6), st.sampled_from([5, 10])), min_size=1, max_size=40),
    names=st.sampled_from(
        [
            ("val_log_loss", "training_questions"),
            ("val_accuracy", "training_questions", "parameters"),
            ("val_log_loss", "epochs", "training_questions"),
            ("val_log_loss",),
        ]
    ),
)
def test_the_front_is_what_its_definition_says(points: list[tuple[int, int, int]], names: tuple[str, ...]) -> None:
    objectives, problems = read_objectives(names)
    assert not problems
    records = [trial(n, loss / 10, size, epochs=epochs) for n, (loss, size, epochs) in enumerate(points)]
    front = pareto_front(records, objectives)
    assert len(front) == len({record.trial for record in front})
    assert {record.trial for record in front} == naive_front(records, objectives)
    first = [objectives[0].sign * record.metrics[names[0]] for record in front]
    assert first == sorted(first)
    assert pareto_front(records[::-1], objectives) == front, "the order of the records does not matter"
    assert pareto_front(front, objectives) == front


@given(st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), max_size=30))
def test_non_dominated_points(rows: list[list[int]]) -> None:
    values = np.array(rows, dtype=float).reshape(-1, 3)
    expected = [
        not any((other <= row).all() and (other < row).any() for other in values) for row in values
    ]  # fmt: skip
    assert non_dominated(values).tolist() == expected


def test_only_complete_trials_of_the_search_compete() -> None:
    assert [record.trial for record in pareto_front([BASELINE, *TRIALS], LOSS_AND_SIZE)] == [3, 1, 4, 0]
    without = trial(7, float("nan"), 10)
    assert [record.trial for record in pareto_front([*TRIALS, without], LOSS_AND_SIZE)] == [3, 1, 4, 0]


def test_equal_trials_are_all_on_the_front_and_other_budgets_have_their_own() -> None:
    records = [trial(0, 0.5, 100), trial(1, 0.5, 100), trial(2, 0.6, 100, epochs=5)]
    assert [record.trial for record in pareto_front(records, LOSS_AND_SIZE)] == [0, 1, 2]
    lines = front_sentences(records, LOSS_AND_SIZE)
    assert lines[-1] == "Trials with different numbers of epochs are not compared: each number has a front of its own."
    with_epochs, _ = read_objectives(["val_log_loss", "training_questions", "epochs"])
    assert front_sentences(records, with_epochs)[-1].startswith("Pareto front of val log-loss, training questions and")


def test_the_sentence_answers_how_many_evaluations_are_needed() -> None:
    lines = front_sentences([BASELINE, *TRIALS], LOSS_AND_SIZE)
    assert lines == [
        "600 training questions reach val log-loss 0.5410, within 0.0020 of the best (0.5390 at 2,400); "
        "100 reach 0.6000.",
        "Pareto front of val log-loss and training questions on validation questions: 4 of 5 complete trials; "
        "no other trial is at least as good as one of them in both and better in one. Mean ± sd over 3 seeds.",
    ]


def test_seconds_are_what_epochs_cost_so_that_budgets_compete() -> None:
    records = [
        dataclasses.replace(trial(0, 0.5, 100, epochs=4), seconds=2.0),
        dataclasses.replace(trial(1, 0.6, 100, epochs=2), seconds=3.0),
        dataclasses.replace(trial(2, 0.7, 100, epochs=2), seconds=1.0),
    ]
    objectives, _ = read_objectives(["val_log_loss", "seconds"])
    assert [record.trial for record in pareto_front(records, objectives)] == [0, 2], "trial 1 is worse and slower"
    sizes, _ = read_objectives(["val_log_loss", "training_questions"])
    assert [record.trial for record in pareto_front(records, sizes)] == [0, 1]
    assert "no other trial of as many epochs is at least as good" in " ".join(front_sentences(records, sizes))


def test_sentences_of_other_fronts() -> None:
    steep = [trial(0, 0.5, 1000), trial(1, 0.7, 100)]
    assert front_sentences(steep, LOSS_AND_SIZE)[0] == (
        "The best val log-loss, 0.5000, takes 1,000 training questions; 100 training questions reach 0.7000."
    )
    two_metrics, _ = read_objectives(["val_log_loss", "val_ece"])
    metrics = [trial(0, 0.5, None, val_ece=0.04), trial(1, 0.7, None, val_ece=0.01)]
    assert front_sentences(metrics, two_metrics)[0].startswith("The best val log-loss, 0.5000, takes val ECE 0.0400;")
    assert front_sentences([], LOSS_AND_SIZE) == [
        "No Pareto front of val log-loss and training questions yet: no trial is complete."
    ]
    [single] = front_sentences(steep[:1], LOSS_AND_SIZE)
    assert "1 of 1 complete trial;" in single


def test_the_frame_has_the_front_first_then_the_baseline_then_the_rest() -> None:
    frame = front_frame([BASELINE, *TRIALS], LOSS_AND_SIZE)
    assert list(frame.columns[:3]) == ["front", "trial", "role"]
    assert not {"rank", "ranked_budget"} & set(frame.columns)
    assert frame["trial"].tolist() == [3, 1, 4, 0, 0, 2, 5, 6]
    assert frame["role"].tolist() == [*["trial"] * 4, "baseline", *["trial"] * 3]
    assert frame["front"].tolist() == [True] * 4 + [False] * 4
    short = front_frame([BASELINE, *TRIALS], LOSS_AND_SIZE, top=5)
    assert short["trial"].tolist() == [3, 1, 4, 0, 0, 2]
    costs, _ = read_objectives(["val_log_loss", "parameters"])
    assert front_frame(TRIALS, costs).set_index("trial")["parameters"].to_dict()[3] == 300


def test_a_front_without_rows_has_a_header() -> None:
    text = render_front(front_frame([], LOSS_AND_SIZE), LOSS_AND_SIZE, format="csv")
    assert text.startswith("front,trial,role,state,")


def test_the_front_can_be_sorted_by_any_column_and_stays_on_top() -> None:
    frame = front_frame([BASELINE, *TRIALS], LOSS_AND_SIZE, sort="trial")
    assert frame["trial"][frame["front"]].tolist() == [0, 1, 3, 4]
    assert frame["front"].tolist() == [True] * 4 + [False] * 4
    costs, _ = read_objectives(["val_log_loss", "parameters"])
    by_size = front_frame(TRIALS, costs, sort="parameters")
    assert by_size["parameters"][by_size["front"]].is_monotonic_increasing
    with pytest.raises(ConfigError, match="cannot sort by 'size'; allowed: front, trial"):
        front_frame(TRIALS, costs, sort="size")


@pytest.mark.parametrize("format", ["table", "markdown"])
def test_the_table_shows_objectives_and_no_rank(format: str) -> None:
    frame = front_frame([BASELINE, *TRIALS], LOSS_AND_SIZE)
    text = render_front(frame, LOSS_AND_SIZE, format=format, footnotes=["A note."])  # type: ignore[arg-type]
    lines = [line.replace("|", " ").split() for line in text.splitlines()]
    assert lines[0][:6] == ["front", "trial", "val", "log-loss", "training", "questions"]
    assert "rank" not in text
    assert lines[2][:6] == ["yes", "3", "0.5390", "±", "0.0010", "2,400"]
    assert lines[6][:2] == ["-", "paper"]
    assert lines[6][3] == "all"
    assert [line[0] for line in lines[7:10]] == ["-", "pruned", "failed"]
    assert "A note." in text


def test_every_objective_has_a_column() -> None:
    objectives, _ = read_objectives(
        ["val_log_loss", "epochs", "seconds", "embedding_dim", "parameters", "val_accuracy"]
    )
    header = render_front(front_frame(TRIALS, objectives), objectives, format="markdown").splitlines()[0]
    titles = [title.strip() for title in header.strip("|").split("|")]
    assert titles[:8] == ["front", "trial", "val log-loss", "epochs", "s", "dim", "parameters", "val accuracy"]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        ([0.2183, 0.298, 15.304], ["0.218", "0.298", "15.304"]),
        ([0.2183, 0.2184, 1.5], ["0.2183", "0.2184", "1.5000"]),
        ([0.2, 0.2, 12.0], ["0.200", "0.200", "12.000"]),
        ([214.3, 215.0, 1600.0], ["214.3", "215.0", "1600.0"]),
    ],
)
def test_seconds_that_differ_look_different_where_they_are_an_objective(seconds: list[float], shown: list[str]) -> None:
    objectives, _ = read_objectives(["val_log_loss", "seconds"])
    trials = [
        dataclasses.replace(trial(number, 0.5 - number / 100, 100), seconds=each) for number, each in enumerate(seconds)
    ]
    text = render_front(front_frame(trials, objectives, sort="trial"), objectives, format="markdown")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:5]]
    assert sorted(row[3] for row in cells) == sorted(shown)


def test_sentences_give_seconds_three_digits() -> None:
    objectives, _ = read_objectives(["val_log_loss", "seconds"])
    trials = [
        dataclasses.replace(trial(0, 0.5, 100), seconds=1234.5),
        dataclasses.replace(trial(1, 0.6, 100), seconds=0.2983),
    ]
    assert [short_amount(each, "seconds") for each in trials] == ["1,234 s", "0.298 s"]
    assert short_amount(trials[0], "training_questions") == "100 questions"
    assert front_sentences(trials, objectives)[0] == (
        "The best val log-loss, 0.5000, takes 1,234 seconds; 0.298 seconds reach 0.6000."
    )


def test_programs_get_flat_rows() -> None:
    import csv
    import io
    import json

    frame = front_frame(TRIALS, LOSS_AND_SIZE)
    rows = json.loads(render_front(frame, LOSS_AND_SIZE, format="json"))
    assert [row["trial"] for row in rows if row["front"]] == [3, 1, 4, 0]
    table = list(csv.DictReader(io.StringIO(render_front(frame, LOSS_AND_SIZE, format="csv"))))
    assert [row["training_questions"] for row in table if row["front"] == "True"] == ["2400", "600", "300", "100"]
