"""How types and values are worded in `--help` and in error messages."""

import argparse
import dataclasses
import shutil
import types
import typing
from typing import Any, Literal

import jsonargparse
import yaml

HELP_WIDTH = 100


class HelpFormatter(jsonargparse.DefaultHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Help without type jargon: the metavar tells the type, the text the default."""

    def __init__(self, prog: str, **options: Any) -> None:
        width = min(HELP_WIDTH, shutil.get_terminal_size((HELP_WIDTH, 24)).columns - 2)
        super().__init__(prog, **{**options, "width": width, "max_help_position": 32})

    def _format_action_invocation(self, action: argparse.Action) -> str:
        text = super()._format_action_invocation(action)
        # jsonargparse also takes `--name+ VALUE`, to append to a list: left to those who know.
        appending = any(option.endswith("+") for option in action.option_strings)
        return text.partition(", ")[0] if appending else text

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        shown = action.default not in (None, False, argparse.SUPPRESS) and action.option_strings
        return f"{text} (default: {action.default})" if shown and not action.required else text


def may_be_null(action: argparse.Action) -> bool:
    """Whether null is of the argument's type, or what it is when left out; without a type anything is allowed."""
    hint = getattr(action, "_typehint", None)
    left_out = action.default is None or action.nargs == "?"
    return left_out or hint in (None, Any) or type(None) in typing.get_args(hint)


def metavar_of(hint: Any) -> str:
    """What stands for the value in `--help`: `INT`, `{pair,question}`, `INT|null`."""
    if typing.get_origin(hint) is Literal:
        return "{" + ",".join(map(str, typing.get_args(hint))) + "}"
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return "|".join(metavar_of(part) for part in typing.get_args(hint))
    if typing.get_origin(hint) in (list, tuple):
        return "[" + metavar_of(typing.get_args(hint)[0]) + ",…]"
    return {int: "INT", float: "NUMBER", str: "TEXT", bool: "true|false", type(None): "null"}.get(hint, "VALUE")


def allowed_values(hint: Any) -> str:
    """What a value of this type may be, in words."""
    if typing.get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        parts = [allowed_values(part) for part in typing.get_args(hint)]
        # Of `a mapping` and `a mapping of name, direction` the second says it all.
        return " or ".join(part for part in parts if not any(other.startswith(f"{part} of ") for other in parts))
    if typing.get_origin(hint) is dict:
        return "a mapping"
    if typing.get_origin(hint) in (list, tuple):
        return f"a list, each {allowed_values(typing.get_args(hint)[0])}"
    if dataclasses.is_dataclass(hint):
        return "a mapping of " + ", ".join(field.name for field in dataclasses.fields(hint))
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    return words.get(hint, str(hint))


def as_typed(value: Any) -> str:
    """A default as it would be typed."""
    if value is None or isinstance(value, bool):
        return str(yaml.safe_dump(value).split()[0])
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(as_typed(part) for part in value) + "]"
    return str(value)
