"""What a reader of the held-out design's tables must not conclude."""

from collections.abc import Mapping

import pandas as pd

from ablations.held_out.findings import ENOUGH_SEEDS, rows_of
from ablations.question_intervals import MINIMUM_QUESTIONS
from tune.labels import seeds_text

SMALL_TEST_SIDE = 50


def caveats(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What the numbers cannot carry."""
    said = []
    questions = tables["questions"]
    if len(questions):
        sizes = questions[questions["metric"] == "accuracy"].groupby("benchmark")["questions"].max()
        if sizes.max() >= MINIMUM_QUESTIONS:
            said.append(_about_predictions(tables["differences"]))
        small = sizes[sizes < SMALL_TEST_SIDE]
        if len(small):
            named = ", ".join(f"{name} ({count:.0f})" for name, count in small.items())
            said.append(f"Few test questions: {named}. {_what_few_give(small)}")
    forecast = tables["forecast"]
    if len(forecast):
        first = forecast.iloc[0]
        said.append(
            f"The {first['repeats']} splits of the models overlap: significant in 60 of 100 does not mean 60 "
            "independent tests. What can be relied on: the permutation test of the count against chance (first "
            "seed, Holm-adjusted), and the intervals of errors, corrected for the overlap (Nadeau & Bengio 2003). "
            f"Counts are means over {seeds_text(first['seeds'])}; every split tests on {first['test_models']} models."
        )
        width = int(rows_of(forecast, "embedding")["width"].max())
        if width >= first["train_models"]:
            said.append(
                f"With {first['train_models']} models to learn from, plain linear regression on an embedding with as "
                "many dimensions or more fits them exactly; ridge regression is the fairer test of what an embedding "
                "captures."
            )
        notes = [
            f"{row['benchmark']}: {row['notes']}."
            for _, row in rows_of(forecast, "embedding").iterrows()
            if row["notes"]
        ]
        said += list(dict.fromkeys(notes))
    if len(tables["contributions"]):
        said.append(
            "A contribution compares two training runs: leaving a benchmark out also leaves fewer questions, so a "
            "large benchmark contributes by its size as well as by its content."
        )
    seeds = [tables[name]["seeds"].max() for name in ("differences", "forecast_comparisons") if len(tables[name])]
    if seeds and max(seeds) == 1:
        said.append(
            "With one seed, no interval or p-value here includes training variance: another seed may disagree. Use "
            f"--seeds {ENOUGH_SEEDS} or more."
        )
    said += _about_seeds(tables)
    return said


def _about_seeds(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """When a difference of forecasts is claimed, and what few seeds can show."""
    frames = [tables[name] for name in ("forecast_comparisons", "contributions") if len(tables[name])]
    several = [int(frame["seeds"].max()) for frame in frames if frame["seeds"].max() > 1]
    if not several:
        return []
    few = (
        f" With {seeds_text(min(several))} hardly any difference can pass, so one that is not claimed may still be "
        f"real: use --seeds {ENOUGH_SEEDS} or more."
        if min(several) < ENOUGH_SEEDS
        else ""
    )
    return [
        "Differences between forecasts, and contributions, count as significant only where a test over splits and "
        "seeds together and the t test over seeds agree; the larger p-value and the wider interval of the two are "
        f"given. The first alone is overconfident where a few seeds happen to agree.{few}"
    ]


def _about_predictions(differences: pd.DataFrame) -> str:
    """What intervals on predictions include, and when a difference is claimed."""
    several = len(differences) and differences["seeds"].max() > 1
    over = "joint resamples of questions and seeds" if several else "resamples of questions"
    also = (
        " EmbedLLM's differences are claimed only where the t test paired over seeds agrees, because "
        "resampling only a few seeds is overconfident."
        if several
        else ""
    )
    return (
        f"Intervals on predictions are 95 % percentile intervals over {over}, for one data set and one split of the "
        f"questions. Holm adjustment is over the benchmarks of a comparison.{also}"
    )


def _what_few_give(sizes: "pd.Series[float]") -> str:
    """What intervals benchmarks with so few questions have."""
    if sizes.max() < MINIMUM_QUESTIONS:
        return f"With fewer than {MINIMUM_QUESTIONS} there is no interval."
    wide = "Their intervals are wide, especially for routing"
    return (
        f"{wide}; with fewer than {MINIMUM_QUESTIONS} there is none." if sizes.min() < MINIMUM_QUESTIONS else f"{wide}."
    )
