"""Dispatch: which command, which exit code, what on which stream."""

import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from embedllm.cli.parser import Parser
from embedllm.cli.program import Command, Program
from embedllm.errors import DataError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], int | None]], Program]:
    """A program whose one command `data boil` calls what is given."""

    def make(action: Callable[[], int | None]) -> Program:
        module = types.ModuleType("kitchen_boil")
        module.EXAMPLE = "\nkitchen data boil egg\nkitchen data boil tea\n"  # type: ignore[attr-defined]
        module.add_arguments = _add_arguments  # type: ignore[attr-defined]
        module.run = lambda args: action()  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "kitchen_boil", module)
        return Program("kitchen", "Cooks.", "kitchen --version", {"data boil": Command("kitchen_boil", "Boil it.")})

    return make


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("thing", metavar="THING")


def fail_with(error: BaseException) -> Callable[[], int | None]:
    def action() -> int | None:
        raise error

    return action


Make = Callable[[Callable[[], int | None]], Program]


def test_success_and_own_exit_codes(program: Make) -> None:
    assert program(lambda: None).main(["data", "boil", "egg"]) == 0
    assert program(lambda: 1).main(["data", "boil", "egg"]) == 1


def test_an_error_meant_for_the_user_has_no_traceback(program: Make, capsys: pytest.CaptureFixture[str]) -> None:
    assert program(fail_with(DataError("egg.csv", ["it is raw"]))).main(["data", "boil", "egg"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: 1 problem in egg.csv:\n  - it is raw\n"


def test_debug_shows_the_traceback(program: Make, capsys: pytest.CaptureFixture[str]) -> None:
    assert program(fail_with(DataError("egg.csv", ["it is raw"]))).main(["data", "boil", "egg", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_full_disk_is_told_in_one_line(program: Make, capsys: pytest.CaptureFixture[str]) -> None:
    assert program(fail_with(OSError(28, "No space left on device"))).main(["data", "boil", "egg"]) == 2
    assert capsys.readouterr().err == "error: [Errno 28] No space left on device\n"


def test_a_bug_is_not_hidden(program: Make) -> None:
    with pytest.raises(ZeroDivisionError):
        program(fail_with(ZeroDivisionError())).main(["data", "boil", "egg"])
    with pytest.raises(RuntimeError):
        program(fail_with(RuntimeError())).main(["data", "boil", "egg"])


def test_interrupt(program: Make, capsys: pytest.CaptureFixture[str]) -> None:
    assert program(fail_with(KeyboardInterrupt())).main(["data", "boil", "egg"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def interrupted_while_importing() -> None:
    class Part:
        def __set_name__(self, owner: type, name: str) -> None:
            raise KeyboardInterrupt

    type("Whole", (), {"part": Part()})


def test_interrupt_while_a_class_is_made(program: Make, capsys: pytest.CaptureFixture[str]) -> None:
    assert program(interrupted_while_importing).main(["data", "boil", "egg"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_bad_usage_points_to_the_help(program: Make, capsys: pytest.CaptureFixture[str]) -> None:
    assert program(lambda: None).main(["data", "boil", "egg", "--salty"]) == 2
    error = capsys.readouterr().err
    assert "error: unknown option --salty; the nearest allowed is --" in error
    assert "`kitchen data boil --help` shows what is allowed." in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dta"], "unknown command 'dta'; the nearest is `data boil`"),
        (["data", "bowl"], "unknown command 'data bowl'; the nearest is `data boil`"),
        (["--vesion"], "unknown command '--vesion'"),
    ],
)
def test_unknown_commands(program: Make, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert program(lambda: None).main(words) == 2
    assert message in capsys.readouterr().err


def test_overviews(program: Make, capsys: pytest.CaptureFixture[str]) -> None:
    kitchen = program(lambda: None)
    for words, code in (["--help"], 0), (["-h"], 0), ([], 2), (["data", "--help"], 0), (["data"], 2):
        assert kitchen.main(words) == code
        out = capsys.readouterr().out
        assert "Boil it." in out
        # Of a group, the first example of each command.
        assert out.endswith(f"example:\n  kitchen {'data boil egg' if 'data' in words else '--version'}\n")


def test_help_of_a_command(program: Make, capsys: pytest.CaptureFixture[str]) -> None:
    assert program(fail_with(AssertionError())).main(["data", "boil", "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: kitchen data boil THING [options]\n\nBoil it.\n")
    assert out.endswith("example:\n  kitchen data boil egg\n  kitchen data boil tea\n")


def test_version(program: Make, capsys: pytest.CaptureFixture[str]) -> None:
    assert program(lambda: None).main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("kitchen 0.")


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`embedllm --help | true`: no traceback, no message."""
    script = (
        "import sys, time; from embedllm.cli import main\n"
        "sys.stdin.readline()\n"  # by then the reading end of stdout is closed
        "sys.exit(main(['--help']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, error = process.communicate("go\n", timeout=60)
    assert (process.returncode, error) == (141, "")


def test_what_a_stream_cannot_hold_is_replaced() -> None:
    script = (
        "import sys; from embedllm.cli.program import Command, Program\n"
        "class Boil:\n"
        "    EXAMPLE = ''\n"
        "    add_arguments = lambda self, parser: None\n"
        "    run = lambda self, args: print('\\u2500 caf\\xe9', ascii(sys.stdin.read()))\n"
        "sys.exit(Program('kitchen', 'Cooks.', '', {'boil': Command(Boil(), 'Boil it.')}).main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "boil"],
        input=b"\xff",
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"? caf? '\\ufffd'\n"


SLEEPER = """
import sys, time, types
from embedllm.cli.program import Command, Program

def run(args):
    print("asleep", flush=True)
    time.sleep(60)

module = types.SimpleNamespace(EXAMPLE="bed sleep", add_arguments=lambda parser: None, run=run)
sys.exit(Program("bed", "Rests.", "bed sleep", {"sleep": Command(module, "Sleep.")}).main())
"""


def test_a_command_that_is_terminated_ends_like_one_interrupted() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, "sleep"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "asleep\n"
    process.terminate()
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "interrupted\n")


def test_what_an_error_quotes_acts_on_no_terminal(program: Make, capsys: pytest.CaptureFixture[str]) -> None:
    problem = "no column \x1b]0;title\x07\x1b[31mx"
    assert program(fail_with(DataError("egg.csv", [problem]))).main(["data", "boil", "egg"]) == 2
    assert capsys.readouterr().err == ("error: 1 problem in egg.csv:\n  - no column \\x1b]0;title\\x07\\x1b[31mx\n")


def test_values_nested_beyond_measure_are_an_error(program: Make, capsys: pytest.CaptureFixture[str]) -> None:
    def read() -> int | None:
        json.loads("[" * 100_000)
        return None

    assert program(read).main(["data", "boil", "egg"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: a file nests its values too deeply to be read (maximum recursion depth exceeded")
    assert error.endswith("; --debug shows which\n")
