"""`python -m ablations figures`: figures and report again, without computing anything."""

import sys
from pathlib import Path

from jsonargparse import Namespace

from embedllm.cli.parser import Parser
from embedllm.cli.program import EXIT_ERROR
from embedllm.errors import EmbedLLMError
from embedllm.visible import visible

EXAMPLE = """
python -m ablations figures results
"""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("results", metavar="RESULTS", help="folder given as --out to the ablations")


def run(args: Namespace) -> int:
    """Draw what there are tables for; a design that never finished is named and left out.

    Returns:
        The exit code: 0, or 2 if the tables of some design lack something; the others are drawn all the same.
    """
    from ablations.cli.session import shortest
    from ablations.folder import LATER_RUN, design_folders
    from ablations.redraw import reading_tables, redraw
    from ablations.registry import find_design
    from ablations.report import write_report

    code = 0
    out = Path(args.results).expanduser().resolve()
    for folder in design_folders(out):
        if not folder.has_tables:
            print(visible(f"{folder.path.name}: has no tables yet; run it to completion first"))
            continue
        if folder.has_later_run:
            print(visible(f"{folder.path.name}: {LATER_RUN}"))
        try:
            with reading_tables(folder):
                figures, _ = redraw(folder, find_design(folder.provenance["design"])())
        except EmbedLLMError as error:  # the others are drawn all the same
            print(visible(f"{folder.path.name} is not drawn: {error}"), file=sys.stderr)
            code = EXIT_ERROR
            continue
        count = f"{len(figures)} figure{'s' * (len(figures) != 1)}"
        print(visible(f"{folder.path.name}: {count} in {shortest(folder.figures)}"))
    print(visible(f"report: {shortest(write_report(out))}"))
    return code
