"""The argument parser of every command.

It is jsonargparse's, chosen because one typed dataclass serves as command line, YAML file and Python object: values are
checked against its annotations, `--config FILE` mixes with overrides, and keys nobody knows are refused. Added here:
help from the docstrings under the fields, errors in the user's words that name the nearest allowed key, and the command
line always winning over the file.
"""

import argparse
import dataclasses
import difflib
import re
import textwrap
import typing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docstring_parser
import jsonargparse
import yaml

from embedllm.cli.wording import HELP_WIDTH, HelpFormatter, allowed_values, as_typed, may_be_null, metavar_of
from embedllm.cli.yaml_text import RepeatedKeys, load_yaml
from embedllm.errors import ConfigError, EmbedLLMError

HIDDEN = ("print_shtab",)
"""Arguments jsonargparse adds by itself while parsing, and `--help` does not show."""


class UsageError(EmbedLLMError):
    """Something on the command line or in a configuration file that the command does not accept."""


@dataclass(frozen=True)
class Notation:
    """How values that YAML writes as lists or mappings are written on the command line.

    Args:
        metavar: stands for such a value in `--help`.
        to_yaml: from what is typed to YAML; YAML itself passes through.
        show: from a value to what would be typed for it.
    """

    metavar: str
    to_yaml: Callable[[str], str]
    show: Callable[[Any], str]


class Parser(jsonargparse.ArgumentParser):
    """Parser of one command. Parsing errors are raised as :class:`UsageError`, never printed.

    Args:
        prog: what the user types, for example `embedllm fit`.
        summary: one sentence, the first thing `--help` says.
        example: command lines that work, shown at the end of `--help`.
    """

    def __init__(self, prog: str | None = None, summary: str = "", example: str = "", **options: Any) -> None:
        # jsonargparse makes further instances, with options of its own, for the fields of nested dataclasses.
        own: dict[str, Any] = {
            "description": summary,
            "epilog": "example:\n" + "\n".join(f"  {line}" for line in example.strip().splitlines()),
            "formatter_class": HelpFormatter,
            "exit_on_error": False,
            "print_config": None,
            "allow_abbrev": False,
        }
        super().__init__(prog=prog, **(own | options))
        self._notations: dict[str, Notation] = {}
        self._flags: set[str] = set()
        self.general = self.add_argument_group("general")

    def add_config_file(self) -> None:
        """Accept `--config FILE`, a YAML file whose keys are this command's options."""
        self.general.add_argument(
            "--config",
            action=_ConfigFile,
            metavar="FILE",
            help="YAML file with any of these options; the command line takes precedence",
        )

    def add_fields(
        self,
        title: str,
        config: Any,
        *,
        description: str | None = None,
        only: Iterable[str] = (),
        prefix: str = "",
        notation: "Notation | Mapping[str, Notation] | None" = None,
    ) -> None:
        """One option per field of a dataclass; an option is in the parsed namespace only if the user gave it.

        Args:
            title: heading of the group in `--help`.
            config: instance whose values `--help` shows as the defaults.
            description: text under the heading.
            only: the fields to take, in this order; empty = all.
            prefix: put before the names, as `space.` for the fields of a nested dataclass.
            notation: how values are typed and shown, for fields that hold lists or mappings; one for all, or by field.
        """
        group = self.add_argument_group(title, description and textwrap.fill(description, HELP_WIDTH - 6))
        hints = typing.get_type_hints(type(config))
        meaning = {p.arg_name: p.description or "" for p in docstring_parser.parse_from_object(type(config)).params}
        for name in list(only) or [field.name for field in dataclasses.fields(config)]:
            text = meaning[name].replace("`", "").replace("None =", "null =").rstrip(".")
            value = getattr(config, name)
            option = option_of(prefix + name)
            own = notation.get(name) if isinstance(notation, Mapping) else notation
            shown = as_typed(value) if own is None or value is None else own.show(value)
            if own is not None:
                self._notations[option] = own
            if hints[name] is bool:
                self._flags.add(option)
            group.add_argument(
                option,
                type=hints[name],
                default=argparse.SUPPRESS,
                metavar=metavar_of(hints[name]) if own is None else own.metavar,
                help=f"{text} (default: {shown})",
            )

    def parse(self, args: Sequence[str]) -> jsonargparse.Namespace:
        """Parse a command line.

        Raises:
            UsageError: for anything that does not fit, with the nearest allowed key for an unknown one.
        """
        try:
            return self.parse_args(self._normalised(args))
        except argparse.ArgumentError as error:
            raise UsageError(self._reworded(str(error))) from error

    def keys(self) -> list[str]:
        """Names a configuration file may use: every argument but `--config`, `--help`, `--debug` and hidden ones."""
        own = ("help", "config", "debug", *HIDDEN)
        return [action.dest for action in self._actions if action.dest.rpartition(".")[2] not in own]

    def complete(self) -> None:
        """Call when every argument is declared: short usage line, general options last."""
        self.general.add_argument("--debug", action="store_true", help="show the traceback of an error")
        self._action_groups = [*(group for group in self._action_groups if group is not self.general), self.general]
        for action in self._actions:
            if any(option.endswith(".help") for option in action.option_strings):
                action.help = argparse.SUPPRESS  # jsonargparse's help on a class; the group's text says it
        words = [self.prog]
        for action in self._actions:
            name = str(action.metavar or action.dest.upper())
            if not action.option_strings:
                many = {"?": f"[{name}]", "+": f"{name} [{name} …]", "*": f"[{name} …]"}
                words.append(many.get(str(action.nargs), name))
            elif action.required:
                words.append(f"{action.option_strings[0]} {name}")
        self.usage = " ".join([*words, "[options]"])

    def _normalised(self, args: Sequence[str]) -> list[str]:
        """What is typed as jsonargparse wants it.

        `--config` comes first, so that options win over it; names may have underscores, as in YAML, or dashes, however
        the option itself is spelled; `--deterministic` stands for `--deterministic true`; list notations become YAML.
        """
        valued = {*self._notations, "--config"} & self._option_string_actions.keys()
        spelled = {option.replace("_", "-"): option for option in self._option_string_actions}
        first: list[str] = []
        others: list[str] = []
        words = deque(args)
        while words:
            word = words.popleft()
            if word == "--":
                return [*first, *others, word, *words]
            if not word.startswith("--"):
                others.append(word)
                continue
            name, equals, value = word.partition("=")
            name = spelled.get(name.replace("_", "-"), name.replace("_", "-"))
            given: str | None = value if equals else None
            if given is None and name in self._flags:
                given = words.popleft() if words and words[0] in ("true", "false") else "true"
            if given is None and name in valued:
                if not words or words[0].startswith("--"):
                    raise UsageError(self._value_missing(name))
                given = words.popleft()
            if given is not None and name in self._notations:
                given = self._notations[name].to_yaml(given)
            (first if name == "--config" else others).append(name if given is None else f"{name}={given}")
        return [*first, *others]

    def _value_missing(self, option: str) -> str:
        action = self._option_string_actions[option]
        return f"{option} needs a value, as in `{option} {action.metavar or action.dest.upper()}`"

    def _reworded(self, message: str) -> str:
        """jsonargparse's message in the words of the option at fault."""
        if unknown := re.fullmatch(r"unrecognized arguments: (.*)", message, flags=re.DOTALL):
            words = unknown[1].split()
            shown = [action for action in self._actions if action.dest not in HIDDEN]
            allowed = [option for action in shown for option in action.option_strings if option[:2] == "--"]
            options = [word.partition("=")[0] for word in words if word.startswith("-")]
            problems = [f"unknown option {name}; the nearest allowed is {nearest(name, allowed)}" for name in options]
            return "\n".join(problems) or f"unexpected argument {words[0]!r}"
        if missing := re.fullmatch(r"the following arguments are required: (.*)", message):
            wanted = [action for action in self._actions if action.dest in missing[1].split(", ")]
            return "missing " + ", ".join((action.option_strings or [str(action.metavar)])[0] for action in wanted)
        if bare := re.fullmatch(r"argument (--[^\s/:]+)\S*: expected (?:one|at least one) argument", message):
            return self._value_missing(bare[1])
        if value := re.fullmatch(r'Parser key "([\w.]+)".*(?:Got|Given) value: (.*)', message, flags=re.DOTALL):
            action = next((action for action in self._actions if action.dest == value[1]), None)
            hint = getattr(action, "_typehint", None)
            if hint is not None:
                given = value[2].strip()
                return f"{value[1]} must be {allowed_values(hint)} but is {'null' if given == 'None' else repr(given)}"
        return re.sub(r'^Parser key "([\w.]+)":\s*', r"\1: ", message)


class _ConfigFile(jsonargparse.ActionConfigFile):
    """`--config` that names every unknown key of the file at once, and every null where none is allowed.

    jsonargparse itself takes null for any option.
    """

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        path = Path(str(values))
        if not path.is_file():
            raise UsageError(f"--config: there is no file {path}")
        try:
            content = load_yaml(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} is not valid YAML: {error}") from error
        except RepeatedKeys as error:
            raise UsageError(f"{path}: {error}") from error
        if content is None:
            return
        if not isinstance(content, dict):
            raise UsageError(f"{path} must hold `key: value` lines but holds a {type(content).__name__}")
        given = dict(_flat(content, parser.keys()))
        check_keys(given, parser.keys(), str(path))
        problems = [
            f"{action.dest} must be {allowed_values(action._typehint)} but is null"
            for action in parser._actions
            if given.get(action.dest, ...) is None and not may_be_null(action)
        ]
        if problems:
            raise UsageError(f"{path}: " + "; ".join(problems))
        try:
            super().__call__(parser, cfg, values, option_string)
        except argparse.ArgumentError as error:
            raise UsageError(f"{path}: {parser._reworded(str(error))}") from error


def option_of(name: str) -> str:
    """`batch_questions` -> `--batch-questions`."""
    return "--" + name.replace("_", "-")


def nearest(name: str, allowed: Iterable[str]) -> str:
    """The allowed name that resembles `name` most, as a whole and in its beginning."""

    def likeness(candidate: str) -> float:
        parts = (candidate, candidate[: len(name) + 1])
        return sum(difflib.SequenceMatcher(None, name, part).ratio() for part in parts)

    return max(allowed, key=likeness)


def check_keys(given: Iterable[Any], allowed: Sequence[str], source: str) -> None:
    """Raise one :class:`ConfigError` that names every unknown key and the nearest allowed one."""
    unknown = [str(key) for key in given if key not in allowed]
    if unknown:
        lines = [f"unknown key {key!r}; the nearest allowed is {nearest(key, allowed)!r}" for key in unknown]
        raise ConfigError(f"{source}: " + "; ".join(lines))


def _flat(content: Mapping[Any, Any], allowed: Sequence[str], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys of nested mappings, down to the depth of the allowed ones, and their values."""
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and any(known.startswith(f"{name}.") for known in allowed):
            yield from _flat(value, allowed, f"{name}.")
        else:
            yield name, value
