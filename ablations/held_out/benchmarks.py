"""Which benchmarks the held-out design can leave out, judge predictions on, and forecast the accuracy of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from embedllm.data.matrix import CorrectnessMatrix
from embedllm.data.splits import Split, leave_out, prompt_groups
from embedllm.errors import DataError
from embedllm.forecasting.folds import MIN_MODELS

MOST_NOTED = 4
"""More benchmarks with the same lack share a sentence."""


@dataclass(frozen=True)
class Benchmarks:
    """What can be said about which benchmarks.

    Args:
        held_out: held out one at a time, in this order.
        judged: those of them with test questions, on which predictions are judged.
        forecast: those of them that enough models have an answer to, and labels to train on elsewhere, for a forecast
            of their accuracy; the contribution matrix is of these.
        splits: benchmark -> split without it.
        notes: what was left out, in sentences.
    """

    held_out: tuple[str, ...]
    judged: tuple[str, ...]
    forecast: tuple[str, ...]
    splits: Mapping[str, Split]
    notes: tuple[str, ...]


def choose_benchmarks(data: CorrectnessMatrix, base: Split, wanted: Sequence[str] | None) -> Benchmarks:
    """Those of the wanted ones (None = all) that something can be said about.

    Raises:
        DataError: for unknown benchmarks, or if none can be held out.
    """
    known = sorted({str(name) for name in data.benchmarks})
    unknown = [name for name in wanted or () if name not in known]
    if unknown:
        raise DataError(
            "the held-out design",
            [f"there is no benchmark {name!r}; the data has {', '.join(known)}" for name in unknown],
        )
    if len(known) < 2:
        raise DataError(
            "the held-out design",
            [f"the data has one benchmark, {known[0]!r}: without it nothing is left to train on; needed: 2 or more"],
        )
    chosen = [name for name in known if wanted is None or name in wanted]
    splits, notes, kept = {}, [], []
    for name in chosen:
        try:
            split = held_out_split(data, base, [name])
        except DataError as error:
            notes.append(f"{name} is not held out: {error.problems[0]}.")
            continue
        if not len(split.val):
            notes.append(f"{name} is not held out: no validation question is left without it.")
            continue
        kept.append(name)
        splits[name] = split
    if not kept:
        raise DataError("the held-out design", notes)
    judged = tuple(name for name in kept if (data.benchmarks[splits[name].test] == name).all())
    unjudged = sorted(set(kept) - set(judged))
    if len(unjudged) > MOST_NOTED:
        notes.append(
            f"{len(unjudged)} of {len(kept)} benchmarks have no labelled test question, so predictions on them are not "
            f"judged: {', '.join(unjudged)}."
        )
    else:
        notes += [f"{name} has no labelled test question: predictions on it are not judged." for name in unjudged]
    forecast, too_few = _forecastable(data, kept, splits)
    notes += too_few
    held_out = tuple(name for name in kept if name in judged or name in forecast)
    if not held_out:
        raise DataError("the held-out design", notes)
    return Benchmarks(held_out, judged, forecast, splits, tuple(notes))


def trained_on(data: CorrectnessMatrix, questions: np.ndarray) -> np.ndarray:
    """Models with a graded answer to a training question, bool of shape (models,): nothing is learned about others."""
    return np.asarray(data.attempts[:, questions].any(axis=1))


def _forecastable(
    data: CorrectnessMatrix, benchmarks: Sequence[str], splits: dict[str, Split]
) -> tuple[tuple[str, ...], list[str]]:
    """Those that enough models have an answer to, to learn from some and test on others; sentences on those left out.

    Decided before anything is computed: a forecast that cannot be made must not cost hours first.
    """
    if data.num_models < MIN_MODELS:
        return (), [
            f"Benchmark accuracy is not forecast: {data.num_models} models are too few to learn from some and test on "
            f"others (needed: {MIN_MODELS})."
        ]
    forecast, notes = [], []
    for name in benchmarks:
        there = answering(data, name)
        trained = there & trained_on(data, splits[name].train)
        if trained.sum() >= MIN_MODELS:
            forecast.append(name)
            continue
        both = " and a label to train on elsewhere" if there.sum() >= MIN_MODELS else ""
        count = int(trained.sum() if both else there.sum())
        notes.append(
            f"{name} is not forecast: only {count} of the {data.num_models} models have an answer there{both} (needed: "
            f"{MIN_MODELS})."
        )
    return tuple(forecast), notes


def answering(data: CorrectnessMatrix, name: str) -> np.ndarray:
    """Models with a graded answer on the benchmark, bool of shape (models,)."""
    return np.asarray(data.attempts[:, data.benchmarks == name].any(axis=1))


def held_out_split(data: CorrectnessMatrix, base: Split, benchmarks: Sequence[str]) -> Split:
    """Train and val without the benchmarks, test the benchmarks' questions on the test side of `base`: the questions
    that a model trained on everything is judged on as well. Where none of them has a label, test is `base`'s, for
    cells that judge nothing there.

    Raises:
        DataError: if nothing is left to train on.
        AssertionError: if a training question leaks one held out, which only an error of this program can bring about.
    """
    wide = leave_out(data, benchmarks, base=base)
    test = np.intersect1d(base.test, wide.test)
    if not data.attempts[:, test].any():
        test = base.test
    split = Split(wide.name, wide.train, wide.val, test, seed=wide.seed)
    groups, seen = prompt_groups(data), np.concatenate([split.train, split.val])
    leaked = np.isin(data.benchmarks[seen], list(benchmarks)) | np.isin(groups[seen], groups[wide.test])
    if leaked.any():
        # No DataError, which callers take for a shortage of data and put into a note.
        raise AssertionError(
            f"the split {split.name!r}: {int(leaked.sum())} training or validation questions are held out or have the "
            "prompt of one that is"
        )
    return split
