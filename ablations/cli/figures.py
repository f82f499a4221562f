"""`python -m ablations figures`: figures and report again, without computing anything."""

from pathlib import Path

from jsonargparse import Namespace

from embedllm.cli.parser import Parser

EXAMPLE = """
python -m ablations figures results
"""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("results", metavar="RESULTS", help="folder given as --out to the ablations")


def run(args: Namespace) -> None:
    """Draw what there are tables for; a design that never finished is named and left out."""
    from ablations.cli.session import shortest
    from ablations.folder import LATER_RUN, design_folders
    from ablations.redraw import reading_tables, redraw
    from ablations.registry import find_design
    from ablations.report import write_report

    out = Path(args.results).expanduser().resolve()
    for folder in design_folders(out):
        if not folder.has_tables:
            print(f"{folder.path.name}: has no tables yet; run it to completion first")
            continue
        if folder.has_later_run:
            print(f"{folder.path.name}: {LATER_RUN}")
        with reading_tables(folder):
            figures, _ = redraw(folder, find_design(folder.provenance["design"])())
        print(f"{folder.path.name}: {len(figures)} figure{'s' * (len(figures) != 1)} in {shortest(folder.figures)}")
    print(f"report: {shortest(write_report(out))}")
