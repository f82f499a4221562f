"""`embedllm data simulate`: simulated data with the shape of the paper's."""

from jsonargparse import Namespace

from embedllm.cli.parser import Parser
from embedllm.visible import visible

EXAMPLE = """
embedllm data simulate data --models 20 --questions 2000
embedllm data simulate paper_sized --missing 0.05 --duplicates
"""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("data", metavar="DATA", help="folder to write")
    parser.add_argument("--models", type=int, default=112, metavar="INT", help="number of LLMs")
    parser.add_argument(
        "--questions", type=int, default=36_054, metavar="INT", help="number of questions, across ten benchmarks"
    )
    parser.add_argument("--missing", type=float, default=0.0, metavar="SHARE", help="share of labels to leave out")
    parser.add_argument(
        "--duplicates", action="store_true", help="grade some questions twice, with conflicts, as in the public data"
    )
    parser.add_argument("--words", type=int, default=24, metavar="INT", help="mean number of words per question")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="INT", help="random seed; the same seed gives the same data"
    )


def run(args: Namespace) -> None:
    """Simulate and save."""
    from embedllm.data.simulate import simulate

    data = simulate(
        models=args.models,
        questions=args.questions,
        seed=args.seed,
        missing=args.missing,
        duplicates=args.duplicates,
        words=args.words,
    )
    data.save(args.data)
    bound = data.meta["truth"]
    print(f"simulated {data.num_models:,} models on {data.num_questions:,} questions, saved in {visible(args.data)}")
    print(
        f"a predictor that knows the true probabilities expects accuracy {bound['accuracy']:.4f} and log-loss "
        f"{bound['log_loss']:.4f} over all questions; train, val and test each deviate a little from that"
    )
