"""Options that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jsonargparse import Namespace

from embedllm.cli.parser import Parser, UsageError

if TYPE_CHECKING:
    from embedllm.data.matrix import CorrectnessMatrix
    from embedllm.data.splits import Split


def add_encoding(parser: Parser) -> None:
    """Add `--cache` and `--device`: where encodings are kept and where they and the fits are computed."""
    group = parser.add_argument_group("computing")
    group.add_argument(
        "--cache",
        type=Path | None,
        metavar="FOLDER",
        help="where encodings are cached (default: EMBEDLLM_CACHE, else ~/.cache/embedllm)",
    )
    group.add_argument(
        "--device", type=str | None, metavar="NAME", help="cpu, cuda, cuda:1, … (default: a GPU if there is one)"
    )


def add_split(parser: Parser, purpose: str) -> None:
    """Add `--split` and `--split-seed`."""
    group = parser.add_argument_group("split", purpose)
    group.add_argument(
        "--split",
        type=Literal["auto", "given", "random"],
        default="auto",
        metavar="{auto,given,random}",
        help="take the sides given in the data, draw them at random, or auto: given if the data names test questions, "
        "else random; where it names no validation questions, a given split draws them from train",
    )
    group.add_argument(
        "--split-seed",
        type=int,
        default=0,
        metavar="INT",
        help="seed of a random split, or of the validation questions drawn from train",
    )


def chosen_split(data: "CorrectnessMatrix", args: Namespace) -> "Split":
    """The split that `--split` and `--split-seed` ask for.

    Raises:
        UsageError: for a seed other than 0 where no chance is involved.
        DataError: if `given` is asked for and the data carries no sides, or sides but no training questions.
    """
    from embedllm.data.splits import choose_split

    split = choose_split(data, args.split, args.split_seed)
    if args.split_seed and split.seed is None:
        why = "--split is given" if args.split == "given" else "the data gives all three sides"
        raise UsageError(f"--split-seed {args.split_seed} has no effect: {why}; add --split random")
    return split


def add_duplicates(parser: Parser) -> None:
    """Add `--duplicates`: what becomes of several labels of one model on one question."""
    parser.add_argument(
        "--duplicates",
        type=Literal["binomial", "majority", "max", "last"],
        default="binomial",
        metavar="RULE",
        help="what to do with several labels of one model for one question: binomial keeps them all as attempts; "
        "majority, max and last reduce them to one",
    )
