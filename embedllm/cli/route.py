"""`embedllm route`: which model to ask."""

import sys
from typing import Any

from jsonargparse import Namespace

from embedllm.cli.parser import Parser, UsageError
from embedllm.cli.tables import add_format, render
from embedllm.visible import markdown_cell, one_line

EXAMPLE = """
embedllm route artifact "What is the derivative of x squared?"
embedllm route artifact "Who wrote Faust?" "Is 91 prime?" --top 1 --format csv
embedllm route artifact - --top 1 < questions.txt
"""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("artifact", metavar="ARTIFACT", help="folder written by `embedllm fit`")
    parser.add_argument(
        "questions", nargs="+", metavar="QUESTION", help="text of a question; - reads one per line from standard input"
    )
    parser.add_argument(
        "--top", type=int | None, default=10, metavar="INT", help="models to list per question; null = all"
    )
    add_format(parser)


def run(args: Namespace) -> None:
    """Print the models of every question, the most likely right one first."""
    if args.top is not None and args.top < 1:
        raise UsageError(f"top must be at least 1, or null, but is {args.top}")
    questions = _questions(args.questions)

    from embedllm.artifact import load_artifact

    artifact = load_artifact(args.artifact)
    probability = artifact.predict_proba(questions)
    order = (-probability).argsort(axis=0, kind="stable")[: args.top]
    ranked: list[list[dict[str, Any]]] = [
        [
            {"rank": rank, "model": artifact.model_names[model], "probability": float(probability[model, number])}
            for rank, model in enumerate(order[:, number], start=1)
        ]
        for number in range(len(questions))
    ]
    if args.format in ("json", "csv"):
        flat = [{"question": q} | row for q, rows in zip(questions, ranked, strict=True) for row in rows]
        print(render(flat, args.format))
        return
    shown = markdown_cell if args.format == "markdown" else one_line
    blocks = [f"{shown(text)}\n\n{render(rows, args.format)}" for text, rows in zip(questions, ranked, strict=True)]
    print("\n\n".join(blocks))


def _questions(words: list[str]) -> list[str]:
    """The questions' texts, `-` replaced by the lines of standard input."""
    questions: list[str] = []
    for word in words:
        questions += [line.strip() for line in sys.stdin if line.strip()] if word == "-" else [_text(word)]
    if not questions or any(not question.strip() for question in questions):
        raise UsageError("a question is empty; give its text in quotes")
    return questions


def _text(word: str) -> str:
    """A word of the command line, with the bytes replaced that are no text, which Python passes on as surrogates."""
    return word.encode(errors="surrogateescape").decode(errors="replace")
