"""Gathering rows of any source into counts per model and question, with array operations only.

Rows come in blocks of dictionary-encoded columns. Per block the few distinct values are looked up in growing
vocabularies; per row nothing but integer arithmetic is left. Memory is four bytes per cell plus each text once.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embedllm.data.importing.keys import LARGEST_ID, Attribute, Texts, Vocabulary
from embedllm.data.importing.labels import MAX_ATTEMPTS, Grades, Place, read_grades
from embedllm.data.importing.problems import Problems
from embedllm.data.importing.tables import NotIntegers

_RIGHT = 1 << 16  # a cell is right answers * 65536 + attempts, so that one addition counts both
_CHUNK = 4096
_NAMELESS_REMEDY = "rename them, or leave them out with --columns.ignore {}"

Block = Mapping[str, pa.DictionaryArray | pa.StringArray | pa.Int32Array]
"""Columns of some rows: question, model, label, and any of attempts, category, benchmark, split, model_name
(dictionary<int32, string>) and prompt (string), all without nulls. Question, model and label may be int32 instead."""


class Collector:
    """Counts right answers and attempts per model and question, and remembers texts and attributes.

    Args:
        problems: receives what is wrong with the rows.
        keep_last: remember each cell's last label (for duplicates="last").
        texts_may_differ: whether one question may come with several wordings (the first is kept) or that is a problem.
    """

    def __init__(self, problems: Problems, *, keep_last: bool, texts_may_differ: bool = False) -> None:
        self.problems = problems
        self.rows = 0
        self.unlabelled = 0
        """Rows left out because they have no label; not those of a wide table, in which a gap is nothing unusual."""
        self.questions, self.models = Vocabulary(), Vocabulary()
        self.question_attributes = {name: Attribute() for name in ("category", "benchmark", "split")}
        self.model_attributes = {"model_name": Attribute()}
        self.prompts = Texts()
        self.rewordings = 0
        self.texts_may_differ = texts_may_differ
        self._cells = np.zeros((0, 0), dtype=np.uint32)  # (questions, models), with room to grow
        self._last = np.zeros((0, 0), dtype=np.uint8) if keep_last else None
        self._attempts_added = 0

    def add(self, block: Block, place: Place, *, side: str | None = None, again: bool = False) -> None:
        """Add rows.

        Args:
            block: the rows' columns.
            place: where the rows stand, for messages.
            side: train, val or test where the whole block is on one side.
            again: the same rows of a wide table were added before, for another model.

        Raises:
            NotIntegers: if integers are no ids or labels; nothing has been added then.
        """
        if not len(block["label"]):
            return
        if isinstance(block["label"], pa.Int32Array):
            _check_integers(block)
            grades = Grades(block["label"].to_numpy().astype(np.uint32), 1)
        else:
            grades = read_grades(block["label"], block.get("attempts"), place, self.problems)
        known = len(self.questions)
        question, model = _numbers(self.questions, block["question"]), _numbers(self.models, block["model"])
        if "prompt" in block:
            self._merge_prompts(block["prompt"], question, _first_rows(question, known), place)
        for attributes, keys in ((self.question_attributes, question), (self.model_attributes, model)):
            for name, attribute in attributes.items():
                if name in block:
                    attribute.merge(keys, block[name].indices.to_numpy(), block[name].dictionary)
        if side is not None:
            self.question_attributes["split"].merge(question, np.zeros(len(question), dtype=np.int64), pa.array([side]))
        # What a row of a wide table lacks in one column it may have in the next; elsewhere nothing is lost with it.
        blank = None if place.column else grades.missing
        if blank is not None:
            self.unlabelled += int(blank.sum())
        for what, keys, vocabulary in (("question", question, self.questions), ("model", model, self.models)):
            if vocabulary.missing and not (again and what == "question"):
                nameless = np.isin(keys, vocabulary.missing)
                if blank is not None:
                    nameless &= ~blank
                if nameless.any() and what == "model" and place.column:
                    kind = f"{place.file}: columns of labels whose name says that there is none"
                    self.problems.count(kind, 1, [repr(place.column)], remedy=_NAMELESS_REMEDY, name=place.column)
                elif nameless.any():
                    kind = f"{place.file}: rows that name no {what}"
                    self.problems.count(kind, int(nameless.sum()), place.rows(nameless))
        right, attempts = grades.right, grades.attempts
        if grades.skip is not None:
            question, model, right = question[~grades.skip], model[~grades.skip], right[~grades.skip]
            attempts = attempts if isinstance(attempts, int) else attempts[~grades.skip]
        self._count(question, model, right, attempts)

    def _merge_prompts(self, text: pa.StringArray, question: np.ndarray, new_rows: np.ndarray, place: Place) -> None:
        """Keep each question's text once, and check that all its rows carry the same.

        Args:
            text: prompts of the rows.
            question: question numbers of the rows.
            new_rows: the first row of each question seen for the first time, in the order of their numbers.
            place: where the rows stand.
        """
        if len(new_rows):
            self.prompts.append(text.take(pa.array(new_rows)))
        # Comparing neighbours costs no copy, so only rows whose question differs from the row above need a look-up.
        repeats = np.zeros(len(question), dtype=bool)
        repeats[1:] = question[1:] == question[:-1]
        looked_up = ~repeats
        looked_up[new_rows] = False
        fine = True
        if repeats.any():
            same = pc.equal(text.slice(1), text.slice(0, len(text) - 1)).to_numpy(zero_copy_only=False)
            fine = bool(same[repeats[1:]].all())
        if fine and looked_up.any():
            rows = np.flatnonzero(looked_up)
            fine = self.prompts.equal(question[rows], text, rows)
        if fine:
            return
        differs = ~pc.equal(self.prompts.take(question), text).to_numpy(zero_copy_only=False)
        self.rewordings += int(differs.sum())
        if not self.texts_may_differ:
            ids = self.questions.texts()
            examples = [
                f"id {ids[question[row]]!r} ({place.file}, row {place.first_row + row:,})"
                for row in np.flatnonzero(differs)[:5].tolist()
            ]
            kind = (
                "rows whose prompt text is not the one of their question id's first row (an id must stand for one "
                "text; where it does not, name the column of texts with --columns.question)"
            )
            self.problems.count(kind, int(differs.sum()), examples)

    def _count(self, question: np.ndarray, model: np.ndarray, right: np.ndarray, attempts: np.ndarray | int) -> None:
        self._grow()
        self.rows += len(question)
        self._attempts_added += len(question) if isinstance(attempts, int) else int(attempts.sum(dtype=np.int64))
        cell = question * self._cells.shape[1] + model
        np.add.at(self._cells.reshape(-1), cell, right * np.uint32(_RIGHT) + np.asarray(attempts, dtype=np.uint32))
        if self._last is not None:
            self._last.reshape(-1)[cell] = np.where(2 * right >= attempts, 2, 1)  # the last of repeated cells stays

    def _grow(self) -> None:
        needed, have = (len(self.questions), len(self.models)), self._cells.shape
        if needed[0] <= have[0] and needed[1] <= have[1]:
            return
        # Growing by half keeps the number of copies small and the spare memory below half.
        room = tuple(h if n <= h else max(n, h + h // 2) for n, h in zip(needed, have, strict=True))
        for name in ("_cells", "_last"):
            old = getattr(self, name)
            if old is not None:
                new = np.zeros(room, dtype=old.dtype)
                new[: have[0], : have[1]] = old
                setattr(self, name, new)

    def answered(self) -> tuple[np.ndarray, np.ndarray]:
        """Which questions and which models have any label: two bool arrays in order of first appearance."""
        self._grow()
        labelled = self._cells[: len(self.questions), : len(self.models)] > 0
        return np.asarray(labelled.any(axis=1)), np.asarray(labelled.any(axis=0))

    def matrices(
        self, models: np.ndarray, questions: np.ndarray, duplicates: str
    ) -> tuple[np.ndarray, np.ndarray, int, int]:
        """The result, and the numbers of repeated answers and of cells with both right and wrong ones.

        Args:
            models: numbers of the models to return, in the order wanted.
            questions: likewise.
            duplicates: binomial, majority, max or last, see `import_data`.

        Returns:
            correct and attempts, both uint8 of shape (models, questions), and the two counts before merging. A cell
            with more than 255 attempts is noted as a problem.
        """
        self._grow()
        shape = len(models), len(questions)
        correct, attempts = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.uint8)
        repeats = conflicts = 0
        crowded: list[str] = []
        for start in range(0, len(questions), _CHUNK):  # in parts, so that no second matrix of the full size is needed
            part = questions[start : start + _CHUNK]
            cells = self._cells[np.ix_(part, models)].T
            right, count = cells >> 16, cells & (_RIGHT - 1)
            repeats += int(np.maximum(count.astype(np.int64) - 1, 0).sum())
            conflicts += int(((right > 0) & (right < count)).sum())
            if duplicates != "binomial":
                if duplicates == "majority":
                    right = (count > 0) & (2 * right >= count)
                elif duplicates == "max":
                    right = right > 0
                else:
                    assert self._last is not None
                    right = self._last[np.ix_(part, models)].T == 2
                count = np.minimum(count, 1)
            for model, question in np.argwhere(count > MAX_ATTEMPTS)[:3]:
                name, item = self.models.texts()[models[model]], self.questions.texts()[part[question]]
                crowded.append(f"{count[model, question]:,} for model {name}, question {item}")
            correct[:, start : start + _CHUNK], attempts[:, start : start + _CHUNK] = right, count
        if self._overran():
            crowded = ["more than 65,535 somewhere"]
        if crowded:
            self.problems.add(
                f"too many answers of one model to one question: {', '.join(crowded[:3])}; at most {MAX_ATTEMPTS} fit "
                "a cell, so leave some out"
            )
        return correct, attempts, repeats, conflicts

    def _overran(self) -> bool:
        """Whether a cell's count of attempts ran over its 16 bits, which shows in the sum over all cells."""
        parts = (self._cells[start : start + _CHUNK] for start in range(0, len(self._cells), _CHUNK))
        return sum(int((part & (_RIGHT - 1)).sum(dtype=np.int64)) for part in parts) != self._attempts_added


def _check_integers(block: Block) -> None:
    """Raise :class:`NotIntegers` unless all labels are 0 or 1, and ids between 0 and the largest allowed."""
    for name, most in (("label", 1), ("question", LARGEST_ID), ("model", LARGEST_ID)):
        bounds = pc.min_max(block[name])
        if bounds["min"].as_py() < 0 or bounds["max"].as_py() > most:
            raise NotIntegers


def _numbers(vocabulary: Vocabulary, column: pa.DictionaryArray | pa.Int32Array) -> np.ndarray:
    """Each row's number in the vocabulary, int64 of shape (rows,)."""
    if isinstance(column, pa.Int32Array):
        return vocabulary.encode_integers(column.to_numpy())
    return vocabulary.encode(column.dictionary)[column.indices.to_numpy()]


def _first_rows(numbers: np.ndarray, known: int) -> np.ndarray:
    """The first row of each number not below `known`, in the order of the numbers, which are those from `known` on."""
    new = np.flatnonzero(numbers >= known)
    if not len(new):
        return new
    first = np.empty(int(numbers[new].max()) + 1 - known, dtype=np.int64)
    first[numbers[new[::-1]] - known] = new[::-1]  # reversed, because the last of repeated assignments stays
    return first
