"""Options that several commands share."""

from pathlib import Path
from typing import Literal

from embedllm.cli.parser import Parser


def add_encoding(parser: Parser) -> None:
    """Add `--cache` and `--device`: where encodings are kept and where they and the fits are computed."""
    group = parser.add_argument_group("computing")
    group.add_argument(
        "--cache",
        type=Path | None,
        metavar="FOLDER",
        help="where encodings are kept (default: EMBEDLLM_CACHE, else ~/.cache/embedllm)",
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
        help="sides as the data gives them, random, or auto: given where every question has one, else random",
    )
    group.add_argument("--split-seed", type=int, default=0, metavar="INT", help="seed of a random split")


def add_duplicates(parser: Parser) -> None:
    """Add `--duplicates`: what becomes of several labels of one model on one question."""
    parser.add_argument(
        "--duplicates",
        type=Literal["binomial", "majority", "max", "last"],
        default="binomial",
        metavar="RULE",
        help="several labels of one model on one question: binomial keeps them all as attempts; majority, max and "
        "last make one of them",
    )
