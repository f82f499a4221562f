"""The command of one design, `python -m ablations training-size` say: made from the design's class."""

from dataclasses import dataclass
from typing import Any

from jsonargparse import Namespace

from ablations.cli.options import add_config, add_design, add_fields, configuration, design_of
from ablations.design import Design
from embedllm.cli.parser import Parser


@dataclass(frozen=True)
class DesignCommand:
    """What a module of a command has, for a design.

    Args:
        design: its class.
    """

    design: type[Design]

    @property
    def EXAMPLE(self) -> str:  # as the constant of a command's module
        command = f"python -m ablations {self.design.name}"
        return f"{command}\n{command} data --out results\n{command} data --out results --dry-run"

    def add_arguments(self, parser: Parser) -> None:
        """Declare the command's arguments."""
        add_config(parser)
        add_design(parser, self.design)
        add_fields(parser)

    def run(self, args: Namespace | Any) -> int:
        """Run the design with progress and MLflow, and report what it found."""
        config, design = configuration(args), design_of(self.design, args)

        from ablations.cli.session import conduct, show_plan
        from ablations.runner import load_data

        data = load_data(config)
        return show_plan([design], config, data) if args.dry_run else conduct(design, config, data)
