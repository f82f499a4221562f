"""Files and folders written all or nothing; a folder only in the place of an older one of the same kind."""

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SHOWN_ENTRIES = 3


@dataclass(frozen=True)
class FolderKind:
    """What a folder written by us looks like, so that saving never deletes a folder of somebody else.

    Args:
        name: what the folder holds, for messages: `imported data`.
        marker: its JSON file that tells what it is.
        keys: entries of the marker that no other program's file of that name has all of.
        files: names of all files that we write, the marker among them.
    """

    name: str
    marker: str
    keys: Sequence[str]
    files: Sequence[str]

    def refusal(self, folder: Path) -> str | None:
        """Why `folder` must not be written or replaced, to be read after its name; None if it may be."""
        try:
            target = _resolved(folder)
            return self._contents_refusal(target) or _place_refusal(target)
        except OSError as error:
            return f"cannot be inspected ({error}); choose another folder"

    def _contents_refusal(self, target: Path) -> str | None:
        if not target.exists():
            return None
        if not target.is_dir():
            return "exists as a file; choose another name"
        entries = sorted(target.iterdir())
        foreign = [entry.name for entry in entries if entry.name not in self.files or not entry.is_file()]
        if entries and not self._marked(target / self.marker):
            holds = f" (it holds {_some(foreign or [entry.name for entry in entries])})"
            return f"exists and is not {self.name}; choose another folder or empty it{holds}"
        if foreign:
            verb, pronoun = ("is", "it") if len(foreign) == 1 else ("are", "them")
            return (
                f"holds {_some(foreign)}, which {verb} not part of {self.name}; choose another folder or move "
                f"{pronoun} away"
            )
        return None

    def _marked(self, marker: Path) -> bool:
        try:
            content = json.loads(marker.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(content, dict) and all(key in content for key in self.keys)


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Give a staging folder beside `target` to write into, and put it in `target`'s place at the end.

    If the body or the exchange fails, `target` is as it was and the staging folder is removed. A killed process leaves
    the old folder or the new one, never half of one; killed between the two renames of the exchange, it leaves both
    under hidden names beside `target`. The next replacement that succeeds removes what killed processes left.

    Raises:
        OSError: if `target` is a file, or it or its parent cannot be written.
    """
    target = _resolved(target)
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(f"{target} is a file, not a folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    inside = target.exists() and target.samefile(os.curdir)
    staging = _sibling(target, "new")
    try:
        yield staging
        staging.chmod(0o755)  # mkdtemp's folders are private
        _exchange(staging, target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    if inside:
        os.chdir(target)  # else this process would stand in a folder that is deleted
    with suppress(OSError):  # the new folder is in place, whatever may be seen beside it
        _remove_leftovers(target)


@contextmanager
def replaced_file(target: Path) -> Iterator[Path]:
    """Give a hidden empty file beside `target` to write into, and put it in `target`'s place at the end.

    If the body or the exchange fails, `target` is as it was and the hidden file is removed. A killed process leaves it
    behind, named `.NAME.` and some letters.

    Args:
        target: the file to write; its folder must exist.

    Raises:
        OSError: if the folder cannot be written to.
    """
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    staged = Path(name)
    try:
        yield staged
        staged.chmod(0o644)  # mkstemp's files are private
        os.replace(staged, target)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def _resolved(path: Path) -> Path:
    """Absolute and free of links: neither `.` nor a link can be renamed to."""
    return Path(os.path.realpath(path))


def _some(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c` or `a, b, c and 4 more`."""
    parts = list(names[:SHOWN_ENTRIES])
    if len(names) > SHOWN_ENTRIES:
        parts.append(f"{len(names) - SHOWN_ENTRIES} more")
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)


def _place_refusal(target: Path) -> str | None:
    """Why nothing can be put in the place of `target`: replacing a folder is renaming it within its parent."""
    parent = next((parent for parent in target.parents if parent.exists()), target)
    if not parent.is_dir():
        return f"cannot be created because {parent} is a file; choose another folder"
    if not os.access(parent, os.W_OK | os.X_OK):
        return f"cannot be written: you cannot write to {parent}; choose another folder or change its permissions"
    return None


def _prefix(target: Path, role: str) -> str:
    """Start of the names of `target`'s hidden siblings made on this machine; a process number follows."""
    return f".{target.name}-{role}-{socket.gethostname()}-"


def _sibling(target: Path, role: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"{_prefix(target, role)}{os.getpid()}-", dir=target.parent))


def _exchange(staging: Path, target: Path) -> None:
    """Put `staging` in the place of `target` and delete what was there; on failure it is there again."""
    if not target.exists():
        staging.rename(target)
        return
    old = _sibling(target, "old")
    try:
        target.rename(old)  # over an empty folder, which renaming replaces
        staging.rename(target)
    except BaseException:
        if not target.exists():
            old.rename(target)
        else:
            shutil.rmtree(old, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _remove_leftovers(target: Path) -> None:
    """Delete the hidden siblings of `target` whose process, of this machine, has ended."""
    for prefix in (_prefix(target, "new"), _prefix(target, "old")):
        for path in target.parent.iterdir():
            process = path.name.removeprefix(prefix).partition("-")[0]
            if path.name.startswith(prefix) and process.isdecimal() and not _alive(int(process)):
                shutil.rmtree(path, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
