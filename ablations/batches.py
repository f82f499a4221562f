"""Batches: cells that one worker computes together, because they share work."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from ablations.cell import READS_ENCODINGS, Cell, Method
from ablations.design import Plan
from embedllm.errors import DataError

if TYPE_CHECKING:
    from embedllm.data.matrix import CorrectnessMatrix

UNKNOWN_WIDTH = 768
"""Width assumed of an encoder before it has encoded anything: only estimates depend on it."""

SHARES_TABLE: tuple[Method, ...] = ("lookup", "model_mean")
"""Methods that only count answers."""


@dataclass(frozen=True)
class Encoding:
    """One matrix of encodings.

    Args:
        encoder: name of the encoder.
        fitted_on: digest of the questions it is fitted on, empty for a pretrained one.
    """

    encoder: str
    fitted_on: str = ""


Family = tuple[object, ...]
"""What the cells of one batch share: kind of work, encoding and, where they train fused, the shape of the program."""


@dataclass(frozen=True)
class Batch:
    """Cells computed together.

    Args:
        cells: all of one family.
        encoding: the encodings they read, None where they read none.
        attempt: how often a worker has died on these cells.
    """

    cells: tuple[Cell, ...]
    encoding: Encoding | None
    attempt: int = 0

    @property
    def kind(self) -> str:
        """The kind of work: `embedllm`, `knn`, `lookup_predicted`, `logistic` or `counts`."""
        return kind_of(self.cells[0])

    def halves(self) -> list["Batch"]:
        """For another attempt: in halves where it can be, for it may have run out of memory."""
        middle = (len(self.cells) + 1) // 2
        parts = (self.cells[:middle], self.cells[middle:])
        return [replace(self, cells=part, attempt=self.attempt + 1) for part in parts if part]


@dataclass(frozen=True)
class Encodings:
    """Which encodings the cells of a plan read.

    Args:
        of_split: split -> digest of the questions that a fitted encoder may see.
        questions: digest -> those questions, int64.
    """

    of_split: Mapping[str, str]
    questions: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, plan: Plan) -> "Encodings":
        """Equal sets of questions share one encoder."""
        of_split, questions = {}, {}
        for name in dict.fromkeys(cell.split for cell in plan.cells):
            chosen = plan.encoder_questions(name)
            of_split[name] = sha256(chosen.tobytes()).hexdigest()[:16]
            questions[of_split[name]] = chosen
        return cls(of_split, questions)

    def find(self, cell: Cell) -> Encoding | None:
        """The encodings a cell reads, None if it reads none."""
        from embedllm.encoders import needs_fitting

        if cell.method not in READS_ENCODINGS:
            return None
        encoder = cell.config.encoder
        return Encoding(encoder, self.of_split[cell.split] if needs_fitting(encoder) else "")


def kind_of(cell: Cell) -> str:
    """The kind of work a cell is."""
    return "counts" if cell.method in SHARES_TABLE else cell.method


def families(plan: Plan, cells: Sequence[Cell], data: "CorrectnessMatrix") -> dict[Family, list[Cell]]:
    """Cells by what they share, those of a family in the order in which they are best batched.

    Members that train fused are ordered by embedding dimension, because they are padded to the widest; all others by
    split and training size, because neighbours then share most.
    """
    from tune.engine.packing import fusion_key

    encodings = Encodings.of(plan)
    order = {name: place for place, name in enumerate(plan.splits)}
    grouped: dict[Family, list[Cell]] = defaultdict(list)
    for cell in cells:
        family: Family = (kind_of(cell), encodings.find(cell))
        if cell.method == "embedllm":
            family += (fusion_key(cell.config, data.num_models, plan.training_questions(cell)),)
        grouped[family].append(cell)
    for family, members in grouped.items():
        fused = family[0] == "embedllm"
        members.sort(
            key=lambda cell: (
                cell.config.embedding_dim if fused else 0,
                order[cell.split],
                -plan.training_questions(cell),
                cell.config.seed,
            )
        )
    return dict(grouped)


def expected_seconds(plan: Plan, cell: Cell, data: "CorrectnessMatrix", flops_per_second: float = 2e10) -> float:
    """A rough guess at what a cell takes on one CPU thread, to be corrected by what cells of its kind really took."""
    from embedllm.flops import epoch_flops

    split, config, models = plan.splits[cell.split], cell.config, data.num_models
    train, judged = plan.training_questions(cell), len(split.val) + len(split.test)
    width = expected_width(config.encoder)
    judging = 3e-7 * models * judged
    if cell.method == "embedllm":
        flops = float(config.epochs * epoch_flops(config, models, width, train))
    elif cell.method == "knn":
        flops = float(judged) * (2 * width * train / 4 + 400 * models)
    elif cell.method in ("logistic", "lookup_predicted"):
        outputs, steps = (models, 100) if cell.method == "logistic" else (10, 40)
        flops = float(train) * width * (2 * width + 4 * steps * outputs)
    else:
        flops = 20.0 * models * train
    return flops / flops_per_second + judging


def expected_width(encoder: str) -> int:
    """Width of an encoder as far as its name gives it away."""
    from embedllm.encoders import needs_fitting
    from embedllm.encoders.registry import lsa_width

    if needs_fitting(encoder):
        return lsa_width(encoder)
    return 384 if "MiniLM" in encoder else UNKNOWN_WIDTH


def check_plan(plan: Plan, data: "CorrectnessMatrix") -> None:
    """Refuse a plan whose cells could not be trained, or whose results would be leaked.

    Raises:
        DataError: listing splits with an empty side, more training questions than there are, questions on the wrong
            side of a text, and encoders fitted on questions that are validated or tested.
    """
    from embedllm.data.splits import prompt_groups

    groups = prompt_groups(data)
    problems = []
    for name in dict.fromkeys(cell.split for cell in plan.cells):
        split = plan.splits[name].check(data)
        for side in ("train", "val", "test"):
            questions = getattr(split, side)
            if not len(questions):
                problems.append(f"the split {name!r} has no {side} questions")
            elif not data.attempts[:, questions].any():
                problems.append(f"no {side} question of the split {name!r} has a label")
        seen = groups[plan.encoder_questions(name)]
        for side in ("val", "test"):
            leaked = np.flatnonzero(np.isin(groups[getattr(split, side)], seen))
            if len(leaked):
                problems.append(
                    f"the encoder of the split {name!r} is fitted on the texts of {len(leaked)} {side} questions; "
                    "remove them from fit_questions"
                )
    for cell in plan.cells:
        available = len(plan.splits[cell.split].train)
        if plan.training_questions(cell) > available:
            problems.append(
                f"{cell.config.training_questions} training questions are requested but the split {cell.split!r} has "
                f"{available}"
            )
    if problems:
        raise DataError("the plan of the design", list(dict.fromkeys(problems)))
