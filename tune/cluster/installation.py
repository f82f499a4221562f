"""Whether every node gets this program, and all of them the same Ray and the same Python."""

import importlib.metadata
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tune.cluster.findings import Finding, error, warning
from tune.cluster.launch import Launch, Role

PACKAGE = "embedllm-tune"

INSTALL = re.compile(r"\b(?:pip3?|uv)\b[^;&|\n]*\binstall\b([^;&|\n]*)")
RAY_PINNED = re.compile(r"\bray(?:\[[\w,-]*\])?\s*===?\s*(\d+(?:\.\d+)*)|\bray-(\d+(?:\.\d+)*)\S*\.whl")
RAY_NAMED = re.compile(r"(?:^|[\s'\"])ray(?:\[[\w,-]*\])?(?=$|[\s'\"<>=~!@])")
CONSTRAINED = re.compile(r"(?:^|\s)(?:-c|--constraints?)[\s=]*\S")
THIS_PROGRAM = re.compile(r"embedllm[-_]tune|(?:^|\s)(?:-e|--editable)[\s=]|(?:^|\s)['\"]?(?:\.|~/|/|\$)")
VALUED_OPTION = re.compile(r"(?:^|\s)(?:-c|--constraints?|-r|--requirement|-t|--target)[\s=]*\S+")
IMAGE_TAG = re.compile(r"rayproject/ray(?:-ml)?:(\d+\.\d+\.\d+)(?:\.\w+)?(?:-py3?(\d{2,3}))?")
PYTHON = re.compile(r"python=?=?(3\.\d+)\b|--python[\s=](3\.\d+)\b|\bpy(3\d{2})\b")


@dataclass(frozen=True)
class Installed:
    """What a role's commands and image install, as far as the file tells.

    Args:
        ray: version; None = not told.
        python: minor version, `3.11`; None = not told.
        names_ray: whether anything installs Ray at all, pinned or not, or with this program.
        constrained: whether versions are pinned by a file.
        program: whether this program is installed.
        own_image: whether the image is not Ray's: what it holds cannot be told.
    """

    ray: str | None
    python: str | None
    names_ray: bool
    constrained: bool
    program: bool
    own_image: bool


def installed(launch: Launch) -> Installed:
    """Read a role's commands and image."""
    commands = "\n".join([*launch.initialization, *launch.setup])
    installs = [found[1] for found in INSTALL.finditer(commands)]
    image = IMAGE_TAG.search(launch.image or "")
    pins = [next(filter(None, found)) for text in installs for found in RAY_PINNED.findall(text)]
    # Options' values are no packages: `-c ./constraints.txt` installs nothing.
    bare = [VALUED_OPTION.sub(" ", text) for text in installs]
    program = any(THIS_PROGRAM.search(text) for text in bare)
    pythons = [next(filter(None, found)) for found in PYTHON.findall(commands)]
    python = _minor(pythons[-1]) if pythons else None
    if image and image[2] and python is None:
        python = f"3.{image[2].removeprefix('3')}"
    return Installed(
        ray=pins[-1] if pins else image[1] if image else None,
        python=python,
        names_ray=bool(pins or image or program or any(RAY_NAMED.search(text) for text in bare)),
        constrained=any(CONSTRAINED.search(text) for text in installs),
        program=program,
        own_image=launch.image is not None and image is None,
    )


def check_installation(roles: Mapping[Role, Launch]) -> list[Finding]:
    """What the roles install, on its own, against each other and against what is installed here."""
    found = {role: installed(launch) for role, launch in roles.items()}
    return [*_check_presence(found), *_check_versions(found), *_check_agreement(found)]


def _check_presence(found: Mapping[Role, Installed]) -> Iterator[Finding]:
    for role, has in found.items():
        key = f"{role}_setup_commands"
        if has.own_image:
            continue
        if not has.names_ray:
            yield error(
                key,
                f"nothing installs Ray on the {role}; add to setup_commands: "
                f"pip install -c constraints.txt -e . (which brings Ray), or use an image of Ray's",
            )
        elif not has.program:
            yield error(
                key,
                f"nothing installs {PACKAGE} on the {role}: packs cannot run without it; copy the packages with "
                "file_mounts and `pip install` that folder, as cluster.yaml does",
            )
        elif has.ray is None and not has.constrained:
            yield warning(
                key,
                f"Ray is not pinned on the {role}: nodes set up on different days get different versions and do not "
                "join; install with -c constraints.txt, or name ray==VERSION",
            )


def _check_versions(found: Mapping[Role, Installed]) -> Iterator[Finding]:
    import ray

    allowed, pythons = _allowed()
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    for role, has in found.items():
        key = f"{role}_setup_commands"
        if has.ray is not None and not allowed.contains(has.ray):
            yield error(key, f"the {role} gets Ray {has.ray}, but {PACKAGE} needs ray{allowed}")
        elif has.ray is not None and has.ray != ray.__version__:
            yield warning(
                key,
                f"the {role} gets Ray {has.ray}, but `ray up` here is of Ray {ray.__version__}; use the same version: "
                "what it writes to the head is read by the other",
            )
        if has.python is not None and not pythons.contains(has.python):
            yield error(key, f"the {role} gets Python {has.python}, but {PACKAGE} needs {pythons}")
        elif has.python is not None and has.python != here:
            yield warning(key, f"the {role} gets Python {has.python}; tested here is {here}")


def _check_agreement(found: Mapping[Role, Installed]) -> Iterator[Finding]:
    head, worker = found["head"], found["worker"]
    for name, one, other in (("Ray", head.ray, worker.ray), ("Python", head.python, worker.python)):
        if one and other and one != other:
            yield error(
                "worker_setup_commands",
                f"workers get {name} {other} but the head {one}; Ray's nodes need the same Ray and the same minor "
                "version of Python: install both in setup_commands, which run everywhere",
            )


def _allowed() -> tuple[SpecifierSet, SpecifierSet]:
    """Versions of Ray and of Python this program allows, as its own metadata says; anything where it has none."""
    try:
        about = importlib.metadata.metadata(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return SpecifierSet(), SpecifierSet()
    needs = (Requirement(line) for line in about.get_all("Requires-Dist") or ())
    ray = next((need.specifier for need in needs if need.name == "ray"), SpecifierSet())
    return ray, SpecifierSet(about["Requires-Python"] or "")


def _minor(python: str) -> str:
    """`3.11` of `3.11` or `311`."""
    return python if "." in python else f"{python[0]}.{python[1:]}"
