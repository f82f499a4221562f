"""The sentences below a leaderboard."""

import dataclasses

from tests.tune.results.trials import BASELINE, trial
from tune.results.footnotes import footnotes
from tune.results.scores import DeltaIntervals


def test_footnotes_name_objective_seeds_baseline_and_what_went_wrong() -> None:
    records = [
        trial(0),
        trial(1, 0.6, "PRUNED"),
        trial(2, None, "FAIL", reason="seed 0: loss is NaN after epoch 2 (learning_rate 7)"),
        trial(3, None, "FAIL", reason="seed 1: loss is NaN after epoch 5 (learning_rate 9)"),
        trial(4, None, "FAIL", reason="out of memory\nTraceback …"),
        trial(5, None, "RUNNING"),
        BASELINE,
    ]
    assert footnotes(records, "val_log_loss") == [
        "Ranked by val_log_loss on validation questions, lower is better; mean ± sd over 3 seeds.",
        "Δ: difference from the baseline, the paper's recipe on the same data (lsa, dim 232, α 0.05, 50 epochs).",
        "Trials: 1 complete, 1 pruned (fewer epochs, not ranked), 1 running, "
        "3 failed (2 × loss is NaN; 1 × out of memory).",
    ]


def test_footnotes_explain_intervals_and_the_choice_of_the_best() -> None:
    records = [trial(0), trial(1), trial(2, 0.6, "PRUNED"), BASELINE]
    notes = footnotes(records, "val_log_loss", DeltaIntervals({("trial", 0): (0.0, 1.0)}, 1234, "some are missing"))
    assert notes[2] == (
        "[ ]: paired 95 % percentile interval of Δ over 1,234 validation questions, seeds averaged. "
        "Not corrected for the 2 trials compared: the best of many looks better than it is."
    )
    assert notes[3] == "Incomplete intervals: some are missing."
    none = footnotes(records, "val_ece", DeltaIntervals({}, missing="val_ece is not a mean over questions"))
    assert "No intervals: val_ece is not a mean over questions." not in none, "there is no baseline by this metric"
    with_ece = [dataclasses.replace(record, metrics={"val_ece": 0.1}) for record in records]
    none = footnotes(with_ece, "val_ece", DeltaIntervals({}, missing="val_ece is not a mean over questions"))
    assert "No intervals: val_ece is not a mean over questions." in none


def test_footnotes_say_when_there_is_no_baseline_and_why() -> None:
    failed = dataclasses.replace(BASELINE, state="FAIL", metrics={}, reason="out of memory")
    notes = footnotes([trial(0, seeds=1), failed], "val_accuracy")
    assert notes == [
        "Ranked by val_accuracy on validation questions, higher is better; one seed, hence no sd.",
        "No differences from the baseline: the paper's recipe failed (out of memory).",
        "Trials: 1 complete, 0 failed.",
    ]
    assert footnotes([], "val_log_loss")[1] == "No differences from the baseline: the paper's recipe has not finished."
