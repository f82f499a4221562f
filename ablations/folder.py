"""What lies in the folder of a design: provenance, results in parts, the tidy result, tables and figures.

Results are written in parts, one per batch, each whole or not at all: a driver killed at any moment has lost only the
batches that were being trained.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.cell import CELL_COLUMNS, METRIC_COLUMNS, ROW_COLUMNS
from ablations.design import Plan
from ablations.files import make_folder, write_arrays, write_parquet, write_text, writing
from ablations.outcome import CellOutcome
from ablations.results import Results
from embedllm.errors import ConfigError
from tune.search.lock import take_lock

if TYPE_CHECKING:
    import pandas as pd

PROVENANCE_FILE = "provenance.json"
RESULTS_FILE = "results.parquet"
PARTS_FOLDER = "parts"
TABLES_FOLDER = "tables"
FIGURES_FOLDER = "figures"
MACHINE_FIELDS = ("data", "out", "pack", "slots", "cpus_per_pack", "gpus_per_pack", "address", "tracking_uri")
"""Fields of the configuration that change no number; `data` is known by its digest."""
LATER_RUN = "a later run with other options has not finished; the earlier one is shown"


@dataclass(frozen=True)
class DesignFolder:
    """The folder of one design's results.

    Args:
        path: absolute.
    """

    path: Path

    @property
    def figures(self) -> Path:
        """Where figures go; see :func:`embedllm.figures.save_figure`."""
        return self.path / FIGURES_FOLDER

    @property
    def _has_results(self) -> bool:
        return any((self.path / PARTS_FOLDER).glob("*.jsonl"))

    @property
    def has_tables(self) -> bool:
        """Whether the design has finished at least once."""
        return any((self.path / TABLES_FOLDER).glob("*.parquet"))

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the results come from; empty before the first run.

        Keys: design, title, options (of the design), config, data (name, digest, simulated, models, questions), splits
        (name -> digest), notes (of the plan), cells, complete, failed, runs (command, git_commit, packages, machine,
        user and started of each run).

        Raises:
            ConfigError: if the file cannot be read.
        """
        file = self.path / PROVENANCE_FILE
        if not file.is_file():
            return {}
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ConfigError(f"{file} cannot be read ({error}); remove the folder and run the design again") from error

    @property
    def tables_provenance(self) -> dict[str, Any]:
        """:attr:`provenance` as it was when the tables were made: a later run may have begun and not finished.

        Raises:
            ConfigError: if there are no tables.
        """
        import pyarrow.parquet as pq

        metadata = pq.read_schema(self._table_files()[0]).metadata
        return json.loads(metadata[b"provenance"])

    @property
    def has_later_run(self) -> bool:
        """Whether a run with other options has begun since the tables were made."""
        made, known = self.tables_provenance, self.provenance
        return any(_deciding(made, part) != _deciding(known, part) for part in ("options", "config"))

    def begin(self, identity: Mapping[str, Any], run: Mapping[str, Any]) -> None:
        """Bind the folder to data and splits, and note a run.

        Args:
            identity: every key of :attr:`provenance` but `runs`.
            run: what is known about this run.

        Raises:
            ConfigError: if the folder's results are of other data, or of other questions under the same split name.
        """
        self.check(identity)
        known = self.provenance
        splits = (known.get("splits", {}) if self._has_results else {}) | identity["splits"]
        self.save_provenance({**identity, "splits": splits, "runs": [*known.get("runs", []), dict(run)]})

    def check(self, identity: Mapping[str, Any]) -> None:
        """Whether the folder's results are of the same data and questions; raises as :meth:`begin` does."""
        known = self.provenance
        if self._has_results and known:
            self._check_same_data(known["data"], identity["data"])
            changed = [
                name for name, digest in identity["splits"].items() if known["splits"].get(name, digest) != digest
            ]
            if changed:
                raise ConfigError(
                    f"{self.path} holds results for other questions under the split {changed[0]!r}: another `split`, "
                    "`split_seed` or set of benchmarks; choose another --out"
                )

    def save_provenance(self, content: Mapping[str, Any]) -> None:
        """Replace `provenance.json`, all or nothing."""
        write_text(self.path / PROVENANCE_FILE, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, and keep other runs out of it for the duration of the block.

        Raises:
            ConfigError: if another process is running this design in this folder.
            EmbedLLMError: if the folder cannot be made.
        """
        make_folder(self.path)
        try:
            with writing(self.path):
                lock = take_lock(self.path)
        except ConfigError:
            # The lock's own advice is how to resume a sweep.
            raise ConfigError(
                f"another process is running this design in {self.path}; wait for it, or choose another --out"
            ) from None
        with lock:
            yield

    def append(self, outcomes: Sequence[CellOutcome]) -> None:
        """Add a part. Its lines appear last and at once: a part without them does not exist.

        Raises:
            EmbedLLMError: if it cannot be written; the parts before it are kept.
        """
        folder = make_folder(self.path / PARTS_FOLDER)
        number = max((int(file.stem) for file in folder.glob("*.jsonl")), default=0) + 1
        part = folder / f"{number:06d}.jsonl"
        arrays = {f"{each.key}/{name}": array for each in outcomes for name, array in each.arrays.items()}
        if arrays:
            write_arrays(part.with_suffix(".safetensors"), arrays)
        lines = [json.dumps({"key": each.key, "rows": list(each.rows), "failure": each.failure}) for each in outcomes]
        write_text(part, "\n".join(lines) + "\n")

    def finished(self) -> dict[str, CellOutcome]:
        """Key -> the latest outcome of every cell there is, without its arrays."""
        found = {}
        for _, content in self._lines():
            found[content["key"]] = CellOutcome(content["key"], content["rows"], failure=content["failure"])
        return found

    def results(self, plan: Plan) -> Results:
        """The results of a plan's cells, as far as there are any, in the plan's order."""
        import pandas as pd

        rows: dict[str, list[dict[str, Any]]] = {}
        arrays: dict[str, Path] = {}
        for part, content in self._lines():
            rows[content["key"]] = content["rows"]
            arrays[content["key"]] = part.with_suffix(".safetensors")
        wanted = [cell for cell in plan.cells if cell.key in rows]
        factors = list(dict.fromkeys(name for cell in wanted for name in cell.factors))
        columns = [*CELL_COLUMNS, *factors, *ROW_COLUMNS]
        frame = pd.DataFrame([row for cell in wanted for row in rows[cell.key]], columns=columns)
        return Results(
            _typed(frame, factors), {cell.key: arrays[cell.key] for cell in wanted if arrays[cell.key].exists()}
        )

    def save_results(self, results: Results) -> None:
        """Write `results.parquet`, with the provenance in its metadata."""
        write_parquet(self.path / RESULTS_FILE, results.frame, self.provenance)

    def save_tables(self, tables: "Mapping[str, pd.DataFrame]") -> None:
        """Write the design's tables, replacing all earlier ones."""
        folder = make_folder(self.path / TABLES_FOLDER)
        provenance = self.provenance
        for name, table in tables.items():
            write_parquet(folder / f"{name}.parquet", table, provenance)
            write_text(folder / f"{name}.csv", table.to_csv(index=False))
        for file in folder.iterdir():
            if file.stem not in tables:
                file.unlink()

    def tables(self) -> "dict[str, pd.DataFrame]":
        """The design's tables by name.

        Raises:
            ConfigError: if there are none.
        """
        import pandas as pd

        return _Tables({file.stem: pd.read_parquet(file) for file in self._table_files()})

    def _table_files(self) -> list[Path]:
        files = sorted((self.path / TABLES_FOLDER).glob("*.parquet"))
        if not files:
            raise ConfigError(f"{self.path} holds no tables; run the design to completion first")
        return files

    def _lines(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        for part in sorted((self.path / PARTS_FOLDER).glob("*.jsonl")):
            for line in part.read_text(encoding="utf-8").splitlines():
                yield part, json.loads(line)

    def _check_same_data(self, known: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        if known["digest"] != given["digest"]:
            raise ConfigError(
                f"{self.path} holds results for other data: {known['name']} with digest {known['digest']}, now "
                f"{given['name']} with digest {given['digest']}; choose another --out"
            )


class MissingTableError(KeyError):
    """A design asks for a table that its folder does not have.

    Args:
        name: of the table.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class _Tables(dict[str, Any]):
    """Tables by name: one that is missing is told from a column that is missing in one of them."""

    def __missing__(self, name: str) -> Any:
        raise MissingTableError(name)


def design_folders(out: Path) -> list[DesignFolder]:
    """The folders of the designs run with `--out`, sorted by name.

    Raises:
        ConfigError: if there is none.
    """
    found = [DesignFolder(file.parent) for file in sorted(out.glob(f"*/{PROVENANCE_FILE}"))]
    if not found:
        raise ConfigError(
            f"{out} holds no results of an ablation; `python -m ablations all DATA --out {out}` creates them"
        )
    return found


def _deciding(provenance: Mapping[str, Any], part: str) -> dict[str, Any]:
    return {name: value for name, value in provenance.get(part, {}).items() if name not in MACHINE_FIELDS}


def _typed(frame: "pd.DataFrame", factors: Sequence[str]) -> "pd.DataFrame":
    """Number columns as numbers, whole where they must be; a factor that is text in some cells is text in all."""
    import pandas as pd

    frame["embedding_dim"] = frame["embedding_dim"].astype("Int64")
    for name in ("noise", "learning_rate", "weight_decay", *METRIC_COLUMNS, "seconds"):
        frame[name] = pd.to_numeric(frame[name]).astype("float64")
    for name in factors:
        given = frame[name].dropna()
        if given.map(lambda value: isinstance(value, str)).any():
            frame[name] = frame[name].map(str, na_action="ignore")
    return frame
