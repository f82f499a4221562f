"""Which cells the held-out design needs: each benchmark left out alone, in pairs, and the model that left out none."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from ablations.cell import Cell, Method
from ablations.config import AblationConfig
from ablations.design import Plan
from ablations.held_out.benchmarks import Benchmarks, answering, choose_benchmarks, held_out_split, trained_on
from embedllm.data.matrix import CorrectnessMatrix
from embedllm.data.splits import Split
from embedllm.encoders.registry import needs_fitting
from embedllm.errors import DataError
from embedllm.forecasting.folds import MIN_MODELS

IN_DISTRIBUTION = "all benchmarks"
ALWAYS: tuple[Method, ...] = ("embedllm", "model_mean", "logistic")
"""Compared whatever `methods` says: the subject, the reference of knowing nothing about questions, and its equal."""
NEEDS_THE_BENCHMARK: tuple[Method, ...] = ("lookup",)
"""Methods that cannot answer for a benchmark they were not trained on."""

MOST_CONTRIBUTING = 30
"""Most benchmarks of a contribution matrix: it takes a fit for every pair of them and seed, 435 pairs for 30, and a
matrix with more rows cannot be read."""


@dataclass
class HeldOutCells:
    """The cells by what they are for; a cell may serve several purposes.

    Args:
        benchmarks, judged, forecast: see :class:`ablations.held_out.benchmarks.Benchmarks`.
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
    cells = _benchmark_cells(data, config, base, choose_benchmarks(data, base, wanted))
    if contribution:
        _add_pairs(cells, data, config)
    if config.seeds < 2:
        cells.notes.append("With one seed training variance is not measured; use --seeds 5 or more.")
    return cells


def _benchmark_cells(data: CorrectnessMatrix, config: AblationConfig, base: Split, chosen: Benchmarks) -> HeldOutCells:
    cells = HeldOutCells(chosen.held_out, chosen.judged, chosen.forecast, base, notes=list(chosen.notes))
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
        split = chosen.splits[name]
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
    if len(names) > MOST_CONTRIBUTING:
        count = len(names) * (len(names) - 1) // 2
        cells.notes.append(
            f"There is no contribution matrix: {len(names)} benchmarks have {count:,} pairs, "
            f"and each would be fitted with every seed. `--benchmarks` with up to {MOST_CONTRIBUTING} "
            "names holds out those, with a matrix of them; `--contribution false` leaves out the matrix and this note."
        )
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
        there = answering(data, name)
        kept = there & np.all([learned for left_out, learned in trained.items() if name in left_out], axis=0)
        if kept.sum() < MIN_MODELS:
            return False, [
                f"There is no contribution matrix: without {name} and another benchmark, only {kept.sum()} models that "
                f"answered {name} have a label to train on (needed: {MIN_MODELS})."
            ]
        if count := int(there.sum() - kept.sum()):
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
