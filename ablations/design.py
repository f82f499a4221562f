"""What a design is: which cells to train, what tables they make, and how those are drawn and worded."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from ablations.cell import Cell
from ablations.config import AblationConfig
from embedllm.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ablations.results import Results
    from embedllm.data.matrix import CorrectnessMatrix
    from embedllm.data.splits import Split


@dataclass(frozen=True)
class Plan:
    """Everything a design wants trained.

    Args:
        splits: name -> split; cells refer to them by name.
        cells: what to train, in any order.
        notes: for the reader: what was reduced or left out because of the data, and why; complete sentences.
        fit_questions: split name -> int64 indices of the questions an encoder that learns from texts (`lsa`) may see
            for this split; a split not named uses its training side. Equal sets share one encoder, and cells that share
            an encoder train fused, so name one set for several splits wherever that is honest. Texts carry no labels:
            cells on fewer training questions use the encoder of the whole set.

    Raises:
        ConfigError: if cells name unknown splits, or two cells are the same.
    """

    splits: "Mapping[str, Split]"
    cells: Sequence[Cell]
    notes: Sequence[str] = ()
    fit_questions: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = []
        unknown = sorted({cell.split for cell in self.cells} - set(self.splits))
        if unknown:
            problems.append(f"cells name the splits {', '.join(unknown)}; the plan has {', '.join(self.splits)}")
        strange = sorted(set(self.fit_questions) - set(self.splits))
        if strange:
            problems.append(
                f"fit_questions names the splits {', '.join(strange)}; the plan has {', '.join(self.splits)}"
            )
        seen: set[str] = set()
        for cell in self.cells:
            if cell.key in seen:
                problems.append(f"two cells are the same: {cell.method}, split {cell.split!r}, seed {cell.config.seed}")
            seen.add(cell.key)
        if problems:
            raise ConfigError("invalid plan: " + "; ".join(problems[:5]))

    def encoder_questions(self, split: str) -> np.ndarray:
        """Questions that `lsa` may be fitted on for this split: int64, sorted."""
        return np.sort(np.asarray(self.fit_questions.get(split, self.splits[split].train), dtype=np.int64))

    def training_questions(self, cell: Cell) -> int:
        """Number of questions the cell trains on."""
        return cell.config.training_questions or len(self.splits[cell.split].train)

    def digest(self, split: str) -> str:
        """Digest (16 hex digits) of a split's questions and those its encoder is fitted on."""
        parts = self.splits[split]
        sha = hashlib.sha256()
        for questions in (parts.train, parts.val, parts.test, self.encoder_questions(split)):
            sha.update(len(questions).to_bytes(8, "little") + questions.tobytes())
        return sha.hexdigest()[:16]


@dataclass(frozen=True)
class Drawing:
    """One figure, not yet saved.

    Args:
        name: file name without ending.
        figure: made with :func:`embedllm.figures.style.new_figure`.
        table: the numbers shown, tidy; saved beside the figure.
        caption: one or two sentences: what is shown, of how many, and what the error bars are.
    """

    name: str
    figure: "Figure"
    table: "pd.DataFrame"
    caption: str


class Design(Protocol):
    """One ablation: a frozen dataclass whose fields, each with a docstring, are the command's own options.

    Its module lies in `ablations/designs/`, is found there by itself (see :mod:`ablations.registry`) and imports
    nothing heavy at its top: pandas, torch, matplotlib and what needs them are imported inside the methods. A class
    variable `position`, a number, may say where it stands in `--help`, `all` and the report; without one it comes last.
    """

    name: ClassVar[str]
    """Its command, and its folder below `--out`."""
    title: ClassVar[str]
    """One line for `--help` and the report."""

    def plan(self, data: "CorrectnessMatrix", config: AblationConfig) -> Plan:
        """The cells.

        Raises:
            DataError: if the data cannot answer the question at all, saying why and what would do.
        """
        ...

    def tables(
        self, results: "Results", data: "CorrectnessMatrix", config: AblationConfig
    ) -> "dict[str, pd.DataFrame]":
        """Every number that figures and findings need, by table name; saved as `tables/<name>.parquet` and `.csv`.

        Called when every cell is finished; some may have failed (`results.failed`).
        """
        ...

    def draw(self, tables: "Mapping[str, pd.DataFrame]") -> list[Drawing]:
        """The figures, from the tables alone."""
        ...

    def findings(self, tables: "Mapping[str, pd.DataFrame]") -> list[str]:
        """What the tables say, in plain sentences: the claim first, between two stars each (**…**), then its numbers
        with n and the kind of interval.
        """
        ...

    def caveats(self, tables: "Mapping[str, pd.DataFrame]") -> list[str]:
        """What a reader must not conclude, in plain sentences."""
        ...
