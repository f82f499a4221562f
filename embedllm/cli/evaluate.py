"""`embedllm evaluate`: a saved artifact on data, its own or other."""

import sys
from typing import Literal

from jsonargparse import Namespace

from embedllm.cli.parser import Parser
from embedllm.cli.tables import add_format, render
from embedllm.visible import visible

EXAMPLE = """
embedllm evaluate artifact data
embedllm evaluate artifact data --by benchmark --format json
embedllm evaluate artifact other_data --side all
"""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("artifact", metavar="ARTIFACT", help="folder written by `embedllm fit`")
    parser.add_argument(
        "data", metavar="DATA", help="folder written by `embedllm data import`; models are matched by name"
    )
    parser.add_argument(
        "--side",
        type=Literal["train", "val", "test", "all"] | None,
        metavar="{train,val,test,all}",
        help="questions to predict (default: test on the data it was trained on, else all)",
    )
    parser.add_argument(
        "--by",
        type=Literal["nothing", "benchmark", "model"],
        default="nothing",
        metavar="{nothing,benchmark,model}",
        help="one row for everything, or a row per benchmark or model",
    )
    add_format(parser)


def run(args: Namespace) -> None:
    """Predict labels and print how well that went."""
    from embedllm.artifact import load_artifact
    from embedllm.data.matrix import CorrectnessMatrix
    from embedllm.scoring import score_artifact

    artifact = load_artifact(args.artifact)
    score = score_artifact(artifact, CorrectnessMatrix.load(args.data), side=args.side, by=args.by, progress=True)
    print(render(score.rows, args.format))
    for note in score.notes:
        print(visible(note), file=sys.stderr)
