"""What lies in a sweep's folder, so that `resume`, `rerun` and `leaderboard` need nothing else."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embedllm.errors import ConfigError
from embedllm.visible import shell_word
from tune.config import SweepConfig
from tune.json_file import read_json, write_json
from tune.search.study import JOURNAL_FILE

CONFIG_FILE = "sweep.json"
WINNER_FOLDER = "winner"
WINNER_TABLE = "winner.json"
FINALISTS_FOLDER = "finalists"
FIGURES_FOLDER = "figures"
RAY_FOLDER = "ray"
UNNAMED = "sweeps"
"""Folder of the sweeps that were given no name, below the current one."""


@dataclass(frozen=True)
class SweepFolder:
    """A folder and what its `sweep.json` says.

    Args:
        path: absolute.
        config: the sweep's configuration.
        digest: digest of the data it ran on.
        questions: number of questions on each side: `train`, `val`, `test`.
        encoders: question encoder -> its revision.
    """

    path: Path
    config: SweepConfig
    digest: str
    questions: Mapping[str, int]
    encoders: Mapping[str, str]

    @classmethod
    def create(
        cls,
        config: SweepConfig,
        digest: str,
        questions: Mapping[str, int] | None = None,
        encoders: Mapping[str, str] | None = None,
        *,
        path: Path | None = None,
    ) -> "SweepFolder":
        """Make the folder of a new sweep.

        Args:
            config: the sweep's configuration.
            digest: as of the class, like the next two.
            questions: None = none.
            encoders: None = none.
            path: as :func:`sweep_path` gave it; None asks for it. Where another sweep without a name has taken it
                meanwhile, a number is appended.

        Raises:
            ConfigError: if the folder is in use already.
        """
        if config.out is None:
            path = _unused_folder(path or sweep_path(config))
        else:
            path = sweep_path(config)  # looked at again: data and encodings may have taken minutes
            path.mkdir(parents=True, exist_ok=True)
        config = config.replace(
            out=str(path), data=None if config.data is None else str(Path(config.data).expanduser().resolve())
        )
        folder = cls(path, config, digest, questions or {}, encoders or {})
        folder.save()
        return folder

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "SweepFolder":
        """Read the folder of a sweep, which may have moved.

        Raises:
            ConfigError: if it is none, or its configuration cannot be read.
        """
        file = Path(path).expanduser().resolve() / CONFIG_FILE
        if not file.is_file():
            raise ConfigError(
                f"{path} is not a sweep: {CONFIG_FILE} is missing; `python -m tune run --out {shell_word(str(path))}` "
                "makes one"
            )
        content = read_json(file, "restore it from a copy, or start a new sweep")
        try:
            config = SweepConfig.from_json(json.dumps(content["config"]))
            digest = content["data_digest"]
            questions, encoders = content["questions"], content["encoders"]
        except (KeyError, TypeError) as error:
            raise ConfigError(f"{file} cannot be read ({type(error).__name__}: {error})") from error
        wrong = [
            *(["data_digest must be a text"] if not isinstance(digest, str) else []),
            *_not_mapping("questions", questions, int, "a whole number for each side"),
            *_not_mapping("encoders", encoders, str, "a revision for each encoder"),
        ]
        if wrong:
            raise ConfigError(f"{file} is damaged: {'; '.join(wrong)}; restore it from a copy, or start a new sweep")
        return cls(file.parent, config.replace(out=str(file.parent)), digest, questions, encoders)

    def save(self) -> None:
        """Write `sweep.json`, all or nothing."""
        content = {
            "config": json.loads(self.config.to_json()),
            "data_digest": self.digest,
            "questions": dict(self.questions),
            "encoders": dict(self.encoders),
        }
        write_json(self.path / CONFIG_FILE, content)


def _not_mapping(name: str, found: object, kind: type, wanted: str) -> list[str]:
    if isinstance(found, dict) and all(type(value) is kind for value in found.values()):
        return []
    return [f"{name} must hold {wanted} but is {found!r:.80}"]


def latest_sweep(folder: Path | None = None) -> Path:
    """The sweep begun last among those without a name, which lie in `folder` (None: sweeps/ here).

    Raises:
        ConfigError: if there is none.
    """
    folder = folder or Path(UNNAMED)
    sweeps = [file.parent for file in folder.glob(f"*/{CONFIG_FILE}")]
    if not sweeps:
        raise ConfigError(
            f"no SWEEP is given and {folder}/ holds none; name the folder that `python -m tune run` wrote"
        )
    return max(sweeps, key=lambda path: path.name)  # their names are dates and times


def _unused_folder(path: Path) -> Path:
    """Make `path`, or where it exists `path-2`, `path-3` and so on: no other process gets the same one."""
    folder, number = path, 1
    while True:
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1
            folder = path.with_name(f"{path.name}-{number}")


def sweep_path(config: SweepConfig) -> Path:
    """Where a new sweep goes; one without a name by date and time, so ask once.

    Raises:
        ConfigError: if something is there already.
    """
    if config.out is None:
        return (Path(UNNAMED) / time.strftime("%Y%m%d-%H%M%S")).resolve()
    path = Path(config.out).expanduser().resolve()
    if (path / JOURNAL_FILE).exists():
        raise ConfigError(
            f"{path} holds a sweep already; continue it with `python -m tune resume {shell_word(config.out)}`, or "
            "choose another folder"
        )
    if (path / CONFIG_FILE).exists():
        return path  # prepared, but no trial was ever asked for: what was wrong may be right now
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ConfigError(f"{path} exists and is not an empty folder; choose another")
    return path
