"""Dispatch of a program's commands: find one, import only its module, parse, run, turn errors into exit codes."""

import atexit
import gc
import importlib
import io
import os
import signal
import sys
import textwrap
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from embedllm.cli.parser import Parser, UsageError, nearest
from embedllm.errors import EmbedLLMError
from embedllm.version import __version__
from embedllm.visible import visible

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE

COLLECT_AFTER = 50_000
"""New objects after which Python looks for garbage; its default is 700."""


class CommandModule(Protocol):
    """What a command is made of."""

    @property
    def EXAMPLE(self) -> str: ...

    def add_arguments(self, parser: Parser) -> None: ...

    def run(self, args: Any) -> int | None: ...


class Command(NamedTuple):
    """One sentence on what a command does, and the name of its module, or an object that has what modules have."""

    module: str | CommandModule
    summary: str

    def load(self) -> Any:
        """The module, imported if need be."""
        return importlib.import_module(self.module) if isinstance(self.module, str) else self.module


@dataclass(frozen=True)
class Program:
    """A set of commands under one name.

    Args:
        name: what the user types first.
        description: first paragraph of `--help`.
        example: command lines that work, shown at the end of `--help`.
        commands: the words after the name -> command, for example `data import`.
    """

    name: str
    description: str
    example: str
    commands: Mapping[str, Command]

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Run a command line; the exit code is 0, 2 after an error, 130 after Ctrl-C or SIGTERM, 141 when the reader
        has gone."""
        if argv is None:
            # Importing the libraries makes millions of objects, none of them garbage: collecting rarely saves a tenth
            # of a second here and there, and not looking through them all once more on exit a second and a half.
            gc.set_threshold(COLLECT_AFTER)
            atexit.register(gc.freeze)
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what is running is ended in order
            # What a stream cannot hold, such as a rule of a table in Latin-1, becomes `?`, and bytes that are no text
            # a replacement character. Standard error does as much by itself.
            for stream in (sys.stdin, sys.stdout):
                if isinstance(stream, io.TextIOWrapper):
                    stream.reconfigure(errors="replace")
        words = list(sys.argv[1:] if argv is None else argv)
        try:
            code = self._run(words)
            sys.stdout.flush()
            return code
        except (EmbedLLMError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                # The reader (`| head`) has gone. Point stdout elsewhere, or the interpreter complains again on exit.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return EXIT_BROKEN_PIPE
            if "--debug" in words:
                traceback.print_exc()
            print(f"error: {visible(str(error))}", file=sys.stderr)
            if isinstance(error, UsageError):
                print(f"`{self._prog(words)} --help` shows what is allowed.", file=sys.stderr)
            return EXIT_ERROR
        except RecursionError as error:
            # JSON and YAML may be nested as deeply as somebody likes; no file of ours comes near the limit.
            if "--debug" in words:
                traceback.print_exc()
            print(
                f"error: a file nests its values too deeply to be read ({error}); --debug shows which", file=sys.stderr
            )
            return EXIT_ERROR
        except (KeyboardInterrupt, RuntimeError) as error:
            # Python wraps whatever ends the making of a class, such as Ctrl-C during an import, in a RuntimeError.
            if not any(isinstance(found, KeyboardInterrupt) for found in (error, error.__cause__)):
                raise
            print("interrupted", file=sys.stderr)
            return EXIT_INTERRUPTED

    def _run(self, words: Sequence[str]) -> int:
        if words and words[0] == "--version":
            print(f"{self.name} {__version__}")
            return 0
        name = self._find(words)
        if name is None:
            return self._overview(words)
        command = self.commands[name]
        module: Any = command.load()
        parser = Parser(f"{self.name} {name}", command.summary, module.EXAMPLE)
        module.add_arguments(parser)
        parser.complete()
        rest = words[len(name.split()) :]
        if "-h" in rest or "--help" in rest:
            print(parser.format_help(), end="")
            return 0
        return module.run(parser.parse(rest)) or 0

    def _find(self, words: Sequence[str]) -> str | None:
        """The command the first words name: `data import` before `data`."""
        candidates = (" ".join(words[:length]) for length in (2, 1))
        return next((name for name in candidates if name in self.commands), None)

    def _prog(self, words: Sequence[str]) -> str:
        return f"{self.name} {self._find(words) or ''}".rstrip()

    def _overview(self, words: Sequence[str]) -> int:
        """Help on the program, or on a group of commands such as `data`; an error for any other word."""
        group = words[0] if words and not words[0].startswith("-") else None
        commands = {name: c for name, c in self.commands.items() if group is None or name.split()[0] == group}
        asked = [word for word in words if word in ("-h", "--help")]
        strange = [word for word in words[1 if group else 0 :] if word not in asked]
        if not commands or strange:
            given = " ".join(words[:2] if commands and group else words[:1])
            raise UsageError(f"unknown command {given!r}; the nearest is `{nearest(given, self.commands)}`")
        width = max(map(len, commands))
        lines = [f"usage: {self.name} {f'{group} ' if group else ''}COMMAND …", ""]
        if group is None:
            lines += [self.description, ""]
        lines += ["commands:"]
        for name, command in commands.items():
            shown = name.removeprefix(f"{group} ")
            lines += textwrap.wrap(f"  {shown:<{width}}  {command.summary}", 100, subsequent_indent=" " * (width + 4))
        help_of = f"{self.name} {group} COMMAND" if group else f"{self.name} COMMAND"
        lines += ["", f"`{help_of} --help` explains a command; `{self.name} --version` shows the version."]
        example = self.example
        if group is not None:  # the first of each command's
            example = "\n".join(command.load().EXAMPLE.strip().partition("\n")[0] for command in commands.values())
        lines += ["", "example:", *(f"  {line}" for line in example.strip().splitlines())]
        print("\n".join(lines))
        return 0 if asked else EXIT_ERROR
