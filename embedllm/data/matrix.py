"""The binomial correctness matrix: which LLM answered which question right, how often of how many attempts.

One in-memory form serves every source. Duplicate rows of one (model, question) pair and repeated sampling of an LLM are
the same thing here: a cell with more than one attempt. Training on `correct / attempts` weighted by `attempts` is
training on the raw rows.
"""

import hashlib
import json
import os
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embedllm.errors import DataError
from embedllm.storage import FolderKind, replaced_folder
from embedllm.visible import shell_word

CORRECTNESS_FILE = "correctness.npz"
QUESTIONS_FILE = "questions.parquet"
MODELS_FILE = "models.parquet"
META_FILE = "meta.json"

QUESTION_COLUMNS = ("prompt_id", "prompt", "benchmark", "category", "split")
MODEL_COLUMNS = ("model_id", "model_name")
SPLIT_NAMES = ("train", "val", "test")

FOLDER = FolderKind(
    "imported data",
    marker=META_FILE,
    keys=("digest",),
    files=(CORRECTNESS_FILE, QUESTIONS_FILE, MODELS_FILE, META_FILE),
)


@dataclass(frozen=True, repr=False)
class CorrectnessMatrix:
    """Correctness of a pool of LLMs on a set of questions.

    Args:
        correct: uint8 of shape (models, questions); right answers per cell, at most `attempts`.
        attempts: uint8 of shape (models, questions); graded answers per cell, 0 where the label is missing.
        questions: Arrow table of `questions` rows: prompt_id, prompt, benchmark, category (strings) and split
            (string, null or one of train, val, test: the side the source files put the question on).
        models: Arrow table of `models` rows: model_id, model_name (strings) and any metadata columns.
        meta: provenance that travels with the data: source, `simulated` (bool), import report…

    Raises:
        DataError: listing every shape, dtype or column that does not fit.
    """

    correct: np.ndarray
    attempts: np.ndarray
    questions: pa.Table
    models: pa.Table
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = []
        expected = (self.models.num_rows, self.questions.num_rows)
        for name, matrix in (("correct", self.correct), ("attempts", self.attempts)):
            if matrix.dtype != np.uint8:
                problems.append(f"`{name}` has dtype {matrix.dtype}; it must be uint8")
            if matrix.shape != expected:
                problems.append(f"`{name}` has shape {matrix.shape}; models x questions is {expected}")
        if not problems and bool(np.any(self.correct > self.attempts)):
            model, question = np.argwhere(self.correct > self.attempts)[0]
            problems.append(
                f"model {model}, question {question}: {self.correct[model, question]} right answers out of "
                f"{self.attempts[model, question]} attempts; `correct` must not exceed `attempts`"
            )
        if "model_name" in self.models.column_names:
            counts = Counter(self.models["model_name"].to_pylist())
            problems += [
                f"{count} models are named {name!r}; names must differ, for results are kept by name"
                for name, count in counts.items()
                if count > 1
            ]
        for name, table, columns in (
            ("questions", self.questions, QUESTION_COLUMNS),
            ("models", self.models, MODEL_COLUMNS),
        ):
            missing = [column for column in columns if column not in table.column_names]
            if missing:
                problems.append(f"`{name}` lacks the columns {', '.join(missing)}; it has {table.column_names}")
        if problems:
            raise DataError("the correctness matrix", problems)

    def __repr__(self) -> str:
        cells = int(np.count_nonzero(self.attempts))
        return (
            f"CorrectnessMatrix({self.num_models:,} models x {self.num_questions:,} questions, {cells:,} cells with a "
            f"label, digest {self.digest})"
        )

    @property
    def num_models(self) -> int:
        return self.models.num_rows

    @property
    def num_questions(self) -> int:
        return self.questions.num_rows

    @property
    def model_names(self) -> list[str]:
        return self.models["model_name"].to_pylist()

    @cached_property
    def prompts(self) -> list[str]:
        return self.questions["prompt"].to_pylist()

    @cached_property
    def benchmarks(self) -> np.ndarray:
        """Benchmark name of each question: object array of shape (questions,)."""
        return self.questions["benchmark"].to_numpy(zero_copy_only=False)

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 (first 16 digits) over labels, prompts, benchmarks, splits and model names: "same data?"."""
        sha = hashlib.sha256()
        sha.update(np.asarray(self.correct.shape, dtype=np.int64).tobytes())
        sha.update(np.ascontiguousarray(self.correct).tobytes())
        sha.update(np.ascontiguousarray(self.attempts).tobytes())
        for table, columns in ((self.questions, QUESTION_COLUMNS), (self.models, MODEL_COLUMNS)):
            for column in columns:
                for part in _hashable(table[column]):
                    sha.update(part)
        return sha.hexdigest()[:16]

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the matrix as a folder, all or nothing: a failure leaves the old folder or none, never half of one.

        Raises:
            DataError: if `folder` holds anything else than an imported matrix, or it cannot be written.
        """
        target = check_target(folder)
        try:
            with replaced_folder(target) as staging:
                _write_arrays(staging / CORRECTNESS_FILE, correct=self.correct, attempts=self.attempts)
                pq.write_table(self.questions, staging / QUESTIONS_FILE)
                pq.write_table(self.models, staging / MODELS_FILE)
                meta = {**self.meta, "digest": self.digest, "models": self.num_models, "questions": self.num_questions}
                (staging / META_FILE).write_text(json.dumps(meta, indent=2) + "\n")
        except OSError as error:
            problem = f"cannot be written ({error}); is the disk full? What was there before is unchanged"
            raise DataError(str(target), [f"the folder {problem}"]) from error
        return target

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "CorrectnessMatrix":
        """Read a folder written by :meth:`save`.

        Raises:
            DataError: if files are missing or unreadable, all of them named in one message.
        """
        path = Path(folder)
        if path.is_file():
            raise DataError(
                str(path), [f"this is a file; import it first: `embedllm data import {shell_word(str(path))} DATA`"]
            )
        if not path.is_dir():
            raise DataError(
                str(path),
                ["no such folder; make one with `embedllm data import SRC DATA` or `embedllm data simulate DATA`"],
            )
        names = (CORRECTNESS_FILE, QUESTIONS_FILE, MODELS_FILE, META_FILE)
        missing = [f"{name} is missing" for name in names if not (path / name).is_file()]
        if missing:
            hint = "not a folder written by `embedllm data import`; raw files must be imported first"
            raise DataError(str(path), [*missing, hint])
        problems: list[str] = []
        loaded: dict[str, Any] = {}
        readers = (_read_arrays, pq.read_table, pq.read_table, _read_json)
        for name, read in zip(names, readers, strict=True):
            try:
                loaded[name] = read(path / name)
            except Exception as error:  # a damaged file raises whatever its reader's depths raise
                problems.append(f"{name} cannot be read ({type(error).__name__}: {error}); import the data again")
        if problems:
            raise DataError(str(path), problems)
        correct, attempts = loaded[CORRECTNESS_FILE]
        return cls(correct, attempts, loaded[QUESTIONS_FILE], loaded[MODELS_FILE], loaded[META_FILE])


def check_target(folder: str | os.PathLike[str]) -> Path:
    """The folder, if imported data may be written there: before a long import, not after.

    Raises:
        DataError: if it is a file, holds anything else than imported data, or its place is not writable.
    """
    target = Path(folder)
    refusal = FOLDER.refusal(target)
    if refusal is not None:
        raise DataError(str(target), [f"the folder {refusal}"])
    return target


def _hashable(column: pa.ChunkedArray) -> tuple[bytes, memoryview]:
    """A text column as its lengths (-1 for null) and its characters, the same for every chunking and offset."""
    texts = pc.fill_null(column.cast(pa.large_string()), "").combine_chunks()
    lengths = pc.fill_null(pc.binary_length(column.cast(pa.large_string())), -1).to_numpy().astype(np.int64)
    _, offsets, characters = texts.buffers()
    if not len(texts) or characters is None:
        return lengths.tobytes(), memoryview(b"")
    bounds = np.frombuffer(offsets, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return lengths.tobytes(), memoryview(characters)[bounds[0] : bounds[-1]]


def _write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """As `np.savez_compressed`, at the fastest level of compression."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name, array in arrays.items():
            with file.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _read_arrays(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["correct"], arrays["attempts"]


def _read_json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text())
    if not isinstance(content, dict):
        raise ValueError(f"it must hold a JSON object but holds {str(content)[:60]}")
    return content
