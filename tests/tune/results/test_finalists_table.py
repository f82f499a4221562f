"""The finalists' table: what is compared, by which metric, and what the verdict says."""

import pytest
from rich.console import Console

from tune.results.finalists import finalist_metrics
from tune.results.finalists_table import gain_over, render_finalists

WINNER = {
    "method": "winner", "title": "trial 7", "about": "lsa d=16 α=0.05", "note": "chosen on val", "trial": 7,
    "questions": 1234, "log_loss": 0.52, "log_loss_sd": 0.001, "log_loss_se": 0.0123,
    "accuracy": 0.74, "accuracy_se": 0.01, "ece": 0.02,
}  # fmt: skip


def other(title: str, low: float, high: float, method: str = "knn", about: str = "") -> dict[str, object]:
    middle = (low + high) / 2
    return {
        "method": method, "title": title, "about": about, "note": "k = 5 by val",
        "log_loss": 0.52 + middle, "log_loss_se": 0.01,
        "log_loss_delta": middle, "log_loss_delta_low": low, "log_loss_delta_high": high, "accuracy": 0.7, "ece": 0.03,
    }  # fmt: skip


ROWS = [WINNER, other("paper's recipe", -0.001, 0.003, "paper", "lsa"), other("kNN", 0.004, 0.006)]


def wide(width: int = 200) -> Console:
    return Console(width=width)


def test_what_a_finalist_costs_stands_in_the_table_only() -> None:
    winner = WINNER | {"title": "trial 7 (0.365 s, 8,932 parameters)"}
    table, notes = render_finalists([winner, *ROWS[1:]], "val_log_loss", console=wide()).rsplit("\n\n", 1)
    assert "trial 7 (0.365 s, 8,932 parameters)  0.5200" in table
    assert "trial 7: lsa d=16 α=0.05 (chosen on val)" in notes


def test_a_row_per_method_with_errors_differences_and_verdicts() -> None:
    header, _, *rows = render_finalists(ROWS, "val_log_loss", console=wide()).split("\n\n")[0].splitlines()
    assert " ".join(header.split()) == "method log-loss Δ vs. winner [95 %] verdict accuracy ECE"
    assert [" ".join(row.split()) for row in rows] == [
        "trial 7 0.5200 ± 0.0123 - - 0.7400 ± 0.0100 0.0200",
        "paper's recipe 0.5210 ± 0.0100 +0.0010 [-0.0010, +0.0030] within noise 0.7000 0.0300",
        "kNN 0.5250 ± 0.0100 +0.0050 [+0.0040, +0.0060] worse 0.7000 0.0300",
    ]


def test_notes_say_what_the_numbers_are() -> None:
    words = " ".join(render_finalists(ROWS, "val_log_loss", console=wide()).split())
    assert "±: standard error over the 1,234 test questions." in words
    assert "Standard deviation over seeds, winner: log-loss 0.0010." in words
    assert "trial 7: lsa d=16 α=0.05 (chosen on val); paper's recipe: lsa (k = 5 by val); kNN (k = 5 by val)." in words


def test_an_objective_that_is_no_mean_is_shown_but_not_compared() -> None:
    header = render_finalists(ROWS, "val_ece", console=wide()).splitlines()[0]
    assert " ".join(header.split()) == "method ECE log-loss Δ log-loss [95 %] verdict accuracy"


def test_a_metric_without_scores_is_shown_without_errors() -> None:
    alone = [{name: value for name, value in WINNER.items() if not name.endswith("_se")}]
    text = render_finalists(alone, "val_log_loss", console=wide())
    assert "Δ" not in text
    assert "±" not in text
    assert "0.5200" in text


def test_a_narrow_table_says_what_it_leaves_out() -> None:
    text = render_finalists(ROWS, "val_log_loss", console=wide(60))
    assert max(map(len, text.splitlines())) <= 60
    assert "Not shown for lack of width: verdict, ece" in text


@pytest.mark.parametrize(
    ("low", "high", "metric", "verdict"),
    [
        (0.1, 0.2, "log_loss", "better"),
        (-0.2, -0.1, "log_loss", "worse"),
        (-0.1, 0.1, "log_loss", "noise"),
        (0.1, 0.2, "accuracy", "worse"),
        (-0.2, -0.1, "accuracy", "better"),
        (0.0, 0.0, "accuracy", "noise"),
    ],
)
def test_the_winner_gains_where_the_other_is_beyond_noise(low: float, high: float, metric: str, verdict: str) -> None:
    assert gain_over({f"{metric}_delta_low": low, f"{metric}_delta_high": high}, metric) == verdict


def test_the_winner_has_no_verdict() -> None:
    assert gain_over(WINNER, "log_loss") is None


def test_test_metrics_of_finalists_by_trial() -> None:
    found = finalist_metrics(ROWS, baseline=None)
    assert found == {
        ("trial", 7): {"test_log_loss": 0.52, "test_log_loss_sd": 0.001, "test_accuracy": 0.74, "test_ece": 0.02}
    }
