"""Which cells the held-out design needs: each benchmark left out alone, in pairs, and the model that left out none."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from ablations.cell import Cell, Method
from ablations.config import AblationConfig
from ablations.design import Plan
from embedllm.data.matrix import CorrectnessMatrix
from embedllm.data.splits import Split, leave_out, prompt_groups
from embedllm.encoders.registry import needs_fitting
from embedllm.errors import DataError
from embedllm.forecasting.folds import MIN_MODELS

IN_DISTRIBUTION = "all benchmarks"
ALWAYS: tuple[Method, ...] = ("embedllm", "model_mean", "logistic")
"""Compared whatever `methods` says: the subject, the reference of knowing nothing about questions, and its equal."""
NEEDS_THE_BENCHMARK: tuple[Method, ...] = ("lookup",)
"""Methods that cannot answer for a benchmark they were not trained on."""


@dataclass
class HeldOutCells:
    """The cells by what they are for; a cell may serve several purposes.

    Args:
        benchmarks: held out one at a time, in this order.
        judged: those of them with test questions, on which predictions are judged.
        forecast: those of them that enough models have an answer to, and labels to train on elsewhere, for a forecast
            of their accuracy; the contribution matrix is of these.
        base: the split that everything starts from.
        with_it: method -> cells of the split of all benchmarks, one per seed (baselines: one).
        without: benchmark -> method -> cells trained without it.
        removed: {B} and {B, C} -> EmbedLLM's cells for the contribution matrix; empty where there is none.
        splits: name -> split.
        fit_questions: see :class:`ablations.design.Plan`.
        leaks: benchmark -> questions of other benchmarks left out because they have one of its prompts.
        notes: what was reduced, in sentences.
    """

    benchmarks: tuple[str, ...]
    judged: tuple[str, ...]
    forecast: tuple[str, ...]
    base: Split
    with_it: dict[str, list[Cell]] = field(default_factory=dict)
    without: dict[str, dict[str, list[Cell]]] = field(default_factory=dict)
    removed: dict[frozenset[str], list[Cell]] = field(default_factory=dict)
    splits: dict[str, Split] = field(default_factory=dict)
    fit_questions: dict[str, np.ndarray] = field(default_factory=dict)
    leaks: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def plan(self) -> Plan:
        """All cells, each once."""
        groups = [*self.with_it.values(), *(cells for one in self.without.values() for cells in one.values())]
        unique = {cell.key: cell for cells in [*groups, *self.removed.values()] for cell in cells}
        return Plan(self.splits, list(unique.values()), self.notes, self.fit_questions)


def held_out_cells(
    data: CorrectnessMatrix, config: AblationConfig, wanted: Sequence[str] | None, contribution: bool
) -> HeldOutCells:
    """Lay out the design.

    Args:
        data: the correctness matrix.
        config: recipe, seeds, methods, split.
        wanted: benchmarks to hold out; None = all.
        contribution: also leave out every pair of them, for the contribution matrix.

    Raises:
        DataError: for unknown benchmarks, or if none can be held out.
    """
    base = config.base_split(data)
    found, splits = _benchmarks(data, base, wanted)
    cells = _benchmark_cells(data, config, base, found, splits)
    if contribution:
        _add_pairs(cells, data, config)
    if config.seeds < 2:
        cells.notes.append("With one seed training variance is not measured; use --seeds 5 or more.")
    return cells


def _benchmarks(
    data: CorrectnessMatrix, base: Split, wanted: Sequence[str] | None
) -> tuple[HeldOutCells, dict[str, Split]]:
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
    for name in sorted(set(kept) - set(judged)):
        notes.append(f"{name} has no labelled test question: predictions on it are not judged.")
    forecast, too_few = _forecastable(data, kept, splits)
    notes += too_few
    held_out = tuple(
        name for name in kept if name in judged or name in forecast
    )  # nothing could be said about the rest
    if not held_out:
        raise DataError("the held-out design", notes)
    return HeldOutCells(held_out, judged, forecast, base, notes=notes), splits


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
        answering = _answering(data, name)
        trained = answering & trained_on(data, splits[name].train)
        if trained.sum() >= MIN_MODELS:
            forecast.append(name)
            continue
        both = " and a label to train on elsewhere" if answering.sum() >= MIN_MODELS else ""
        count = int(trained.sum() if both else answering.sum())
        notes.append(
            f"{name} is not forecast: only {count} of the {data.num_models} models have an answer there{both} (needed: "
            f"{MIN_MODELS})."
        )
    return tuple(forecast), notes


def _answering(data: CorrectnessMatrix, name: str) -> np.ndarray:
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


def _benchmark_cells(
    data: CorrectnessMatrix, config: AblationConfig, base: Split, cells: HeldOutCells, splits: dict[str, Split]
) -> HeldOutCells:
    methods: list[Method] = list(dict.fromkeys([*ALWAYS, *config.methods]))  # type: ignore[list-item]  # checked there
    left_out = [method for method in methods if method in NEEDS_THE_BENCHMARK]
    if left_out:
        cells.notes.append(
            "The model × benchmark lookup is shown only with the benchmark in training: it has no entry for a "
            "benchmark it never saw."
        )
    if cells.judged:
        cells.splits[IN_DISTRIBUTION] = base
        for method in methods:
            cells.with_it[method] = _seeds(config, method, IN_DISTRIBUTION, "none", questions=True)
    for name in cells.benchmarks:
        split = splits[name]
        cells.splits[split.name] = split
        same_side = np.setdiff1d(np.concatenate([base.train, base.val]), np.concatenate([split.train, split.val]))
        cells.leaks[name] = int((data.benchmarks[same_side] != name).sum())
        cells.without[name] = {
            method: _seeds(
                config, method, split.name, name, questions=name in cells.judged,
                embedding=method == "embedllm" and name in cells.forecast,
            )
            for method in methods
            if method not in NEEDS_THE_BENCHMARK and (name in cells.judged or method == "embedllm")
        }  # fmt: skip
    return cells


def _add_pairs(cells: HeldOutCells, data: CorrectnessMatrix, config: AblationConfig) -> None:
    names = cells.forecast
    if len(names) < 2:
        cells.notes.append("There is no contribution matrix: it needs two held-out benchmarks that can be forecast.")
        return
    pairs: dict[frozenset[str], Split] = {}
    for first, second in combinations(names, 2):
        try:
            split = held_out_split(data, cells.base, [first, second])
        except DataError as error:
            cells.notes.append(f"There is no contribution matrix: without {first} and {second}, {error.problems[0]}.")
            return
        if not len(split.val):
            cells.notes.append(
                f"There is no contribution matrix: without {first} and {second} no validation question is left."
            )
            return
        pairs[frozenset((first, second))] = split
    enough, lost = _trained_without_pairs(data, names, pairs)
    cells.notes += lost
    if not enough:
        return
    fitted = needs_fitting(config.encoder)
    for left_out, split in pairs.items():
        cells.splits[split.name] = split
        if fitted:
            cells.fit_questions[split.name] = cells.base.train
        cells.removed[left_out] = _seeds(config, "embedllm", split.name, " + ".join(sorted(left_out)), embedding=True)
    for name in names:
        if not fitted:
            cells.removed[frozenset((name,))] = cells.without[name]["embedllm"]
            continue
        # Both sides of a difference must read questions through one encoder; and cells that share one train fused.
        alone = cells.splits[f"without {name}"]
        split = Split(f"{alone.name}, shared encoder", alone.train, alone.val, alone.test, seed=alone.seed)
        cells.splits[split.name] = split
        cells.fit_questions[split.name] = cells.base.train
        cells.removed[frozenset((name,))] = _seeds(config, "embedllm", split.name, name, embedding=True)
    trained = len(pairs) + (len(names) if fitted else 0)
    cells.notes.append(
        f"The contribution matrix needs {len(pairs)} pairs of {len(names)} benchmarks: {trained * config.seeds} more "
        f"fits ({trained} sets of questions × {config.seeds} seeds). `--contribution false` skips it; "
        "`--benchmarks` holds out fewer."
    )
    if fitted:
        cells.notes.append(
            f"For the contribution matrix, `{config.encoder}` is fitted once, on the texts (no labels) of all training "
            "questions; everywhere else on the texts of the questions that the cell trains on."
        )


def _trained_without_pairs(
    data: CorrectnessMatrix, names: Sequence[str], pairs: dict[frozenset[str], Split]
) -> tuple[bool, list[str]]:
    """Whether enough models keep labels to train on without any pair, and a sentence on those that do not."""
    trained = {left_out: trained_on(data, split.train) for left_out, split in pairs.items()}
    lost = []
    for name in names:
        answering = _answering(data, name)
        kept = answering & np.all([learned for left_out, learned in trained.items() if name in left_out], axis=0)
        if kept.sum() < MIN_MODELS:
            return False, [
                f"There is no contribution matrix: without {name} and another benchmark, only {kept.sum()} models that "
                f"answered {name} have a label to train on (needed: {MIN_MODELS})."
            ]
        if count := int(answering.sum() - kept.sum()):
            lost.append(f"{count} for {name}")
    if not lost:
        return True, []
    return True, [
        "The contribution matrix leaves out models that have no label to train on once the benchmark forecast and "
        f"another are left out: {', '.join(lost)}."
    ]


def _seeds(
    config: AblationConfig,
    method: Method,
    split: str,
    held_out: str,
    *,
    questions: bool = False,
    embedding: bool = False,
) -> list[Cell]:
    # Baselines are deterministic: on all training questions every seed gives the same.
    seeds = config.seed_values if method == "embedllm" else [config.seed]
    return [
        Cell(
            method,
            config.recipe(seed=seed),
            split,
            factors={"held_out": held_out},
            outputs=(*(("question_scores",) if questions else ()), *(("embedding", "function") if embedding else ())),
            sides=("val", "test") if questions else ("val",),
        )
        for seed in seeds
    ]
