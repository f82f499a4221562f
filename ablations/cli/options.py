"""Options of the commands: the fields of `AblationConfig`, and those of a design."""

import argparse
import dataclasses
import json
import re
import typing
from typing import Any

from jsonargparse import Namespace

from ablations.config import AblationConfig
from ablations.design import Design
from embedllm.cli.parser import Notation, Parser

GROUPS = {
    "ablation": ("out", "preset", "encoder", "embedding_dim", "methods", "seeds", "seed"),
    "split": ("split", "split_seed"),
    "machine": ("pack", "slots", "cpus_per_pack", "gpus_per_pack", "address", "tracking_uri"),
}
"""Fields of `AblationConfig` under the headings of `--help`."""


def add_config(parser: Parser) -> None:
    """Add DATA, `--config` and `--dry-run`; the fields come with :func:`add_fields`."""
    parser.add_argument(
        "data",
        nargs="?",
        type=str,
        default=argparse.SUPPRESS,
        metavar="DATA",
        help="folder written by `embedllm data import`; omitted: simulated data",
    )
    parser.add_config_file()
    parser.general.add_argument(
        "--dry-run",
        action="store_true",
        help="print the plan with cells, memory and minutes; run nothing and write nothing",
    )


def add_fields(parser: Parser) -> None:
    """Add the fields that all designs share."""
    defaults = AblationConfig()
    for title, names in GROUPS.items():
        parser.add_fields(title, defaults, only=names, notation={"methods": LIST})


def add_design(parser: Parser, design: type[Design], *, prefix: str = "") -> None:
    """Add a design's own fields, if it has any."""
    instance = design()
    if dataclasses.fields(instance):  # type: ignore[arg-type]  # designs are dataclasses
        hints = typing.get_type_hints(design)
        lists = {name: _notation(hint) for name, hint in hints.items() if "list[" in str(hint)}
        title = design.name if prefix else "this ablation"
        parser.add_fields(title, instance, prefix=prefix, notation=lists)


def configuration(args: Namespace) -> AblationConfig:
    """What the user gave, on the command line or in the file, over the defaults.

    Raises:
        ConfigError: naming every value out of range.
    """
    names = [field.name for field in dataclasses.fields(AblationConfig)]
    return AblationConfig(**{name: args[name] for name in names if name in args})


def design_of(design: type[Design], given: Namespace) -> Design:
    """The design with the options the user gave.

    Raises:
        ConfigError: if the design refuses one.
    """
    names = [field.name for field in dataclasses.fields(design)]  # type: ignore[arg-type]
    return design(**{name: given[name] for name in names if name in given})


def list_to_yaml(text: str) -> str:
    """A list as typed on the command line, `1000,5000`, in the form YAML has for it. YAML itself is left alone."""
    if text[:1] == "[" or text in ("", "null"):
        return text
    return json.dumps([_value(part.strip()) for part in text.split(",")])


def show_list(values: Any) -> str:
    """The inverse of :func:`list_to_yaml`."""
    return ",".join(map(str, values))


def _value(text: str) -> Any:
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text


def texts_to_yaml(text: str) -> str:
    """The same for a list of names, which may look like numbers: a benchmark may be called `1`."""
    return text if text[:1] == "[" or text in ("", "null") else json.dumps([part.strip() for part in text.split(",")])


LIST = Notation("A,B,…", list_to_yaml, show_list)
"""How lists are typed."""

TEXTS = Notation("A,B,…", texts_to_yaml, show_list)
"""How lists of names are typed."""


def _notation(hint: Any) -> Notation:
    """Of a field that holds a list, or may."""
    kinds = [hint, *typing.get_args(hint)]
    return TEXTS if list[str] in kinds else LIST
