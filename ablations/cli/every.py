"""`python -m ablations all`: every design, one after the other, and a report of them all."""

from jsonargparse import Namespace

from ablations.cli.options import add_config, add_design, add_fields, configuration, design_of
from ablations.registry import design_classes
from embedllm.cli.parser import Parser

EXAMPLE = """
python -m ablations all
python -m ablations all data --out results
python -m ablations all data --out results --training-size.sizes 500,1000,2000
python -m ablations all data --out results --config configs/ablations.yaml
"""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments; a design's own options stand under its name."""
    add_config(parser)
    add_fields(parser)
    for name, design in design_classes().items():
        add_design(parser, design, prefix=f"{name.replace('-', '_')}.")


def run(args: Namespace) -> int:
    """Run what the data allows; a design it cannot answer is refused, and the others go on."""
    config = configuration(args)
    designs = [
        design_of(design, args[key] if (key := name.replace("-", "_")) in args else Namespace())
        for name, design in design_classes().items()
    ]

    from ablations.cli.session import conduct_all, show_plan
    from ablations.runner import load_data

    data = load_data(config)
    return show_plan(designs, config, data) if args.dry_run else conduct_all(designs, config, data)
