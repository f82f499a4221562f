"""Every option that a command's help shows can be typed as it stands there, in all three programs."""

import importlib
import re
import typing
from pathlib import Path
from typing import Any

import pytest

import ablations.cli
import embedllm.cli
import tune.cli
from embedllm.cli.parser import Parser
from embedllm.cli.program import Program

PROGRAMS = [embedllm.cli.PROGRAM, tune.cli.program(), ablations.cli.program()]
COMMANDS = [
    pytest.param(program, name, id=f"{program.name} {name}") for program in PROGRAMS for name in program.commands
]


def sample_value(parser: Parser, option: str, file: Path) -> list[str]:
    """Something to type after an option: nothing for a flag, else a value of its type."""
    action = parser._option_string_actions[option]
    if action.nargs == 0:
        return []
    if option == "--config":
        return [str(file)]
    hint = getattr(action, "_typehint", str)
    if hint is bool:
        return ["true"]
    parts = [part for own in (hint, *typing.get_args(hint)) for part in typing.get_args(own)]  # `Literal[…] | None`
    choices = [part for part in parts if isinstance(part, str)]
    return [choices[0] if choices else "word" if list[str] in (hint, *typing.get_args(hint)) else "1"]


def module_of(program: Program, name: str) -> Any:
    module = program.commands[name].module
    return importlib.import_module(module) if isinstance(module, str) else module


@pytest.mark.parametrize(("program", "name"), COMMANDS)
def test_every_option_of_the_help_parses_as_it_is_shown(
    program: Program, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "empty.yaml"
    file.write_text("")
    assert program.main([*name.split(), "--help"]) == 0
    shown = re.findall(r"^  (--[^\s,]+)", capsys.readouterr().out, flags=re.MULTILINE)
    assert shown
    for option in shown:
        parser = Parser(name)
        module_of(program, name).add_arguments(parser)
        parser.complete()
        positional = ["1" for action in parser._actions if not action.option_strings]
        required = [
            word
            for action in parser._actions
            if action.required and action.option_strings
            for word in (action.option_strings[0], "x")
        ]
        parser.parse([*positional, *required, option, *sample_value(parser, option, file)])
