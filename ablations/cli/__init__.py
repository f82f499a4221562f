"""The command `python -m ablations`, installed as `embedllm-ablations`: a command per design, all of them, figures."""

import sys
from collections.abc import Sequence
from pathlib import Path

from ablations.cli.design import DesignCommand
from ablations.registry import design_classes
from embedllm.cli.program import Command, Program

INSTALLED_NAME = "embedllm-ablations"

DESCRIPTION = """\
Each ablation trains a fixed list of cells (method, configuration, split, seed), several at a time under
Ray Tune, logs them to MLflow, and turns the results into tables, figures and findings. Run the same
command again to continue where the last run ended."""


def commands() -> dict[str, Command]:
    """A command per design, and those that every design has."""
    found = {name: Command(DesignCommand(design), design.title) for name, design in design_classes().items()}
    return {
        **found,
        "all": Command("ablations.cli.every", "Run every ablation and write one report of all results."),
        "figures": Command("ablations.cli.figures", "Redraw the figures and the report from the tables alone."),
    }


def program(name: str = INSTALLED_NAME) -> Program:
    """The commands under the name the user typed."""
    example = f"{name} all\n{name} training-size data --out results\n{name} figures results"
    return Program(name, DESCRIPTION, example, commands())


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `embedllm-ablations` and `python -m ablations`; returns the exit code."""
    as_module = Path(sys.argv[0]).parts[-2:] == ("ablations", "__main__.py")
    return program("python -m ablations" if as_module else INSTALLED_NAME).main(argv)
