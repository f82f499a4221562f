"""`embedllm data describe`: what is in imported data."""

from typing import Any, Literal

from jsonargparse import Namespace

from embedllm.cli.parser import Parser, UsageError
from embedllm.cli.tables import add_format, render
from embedllm.visible import one_line

EXAMPLE = """
embedllm data describe data
embedllm data describe data --table models --top 20
embedllm data describe data --table benchmarks --format json
"""

TABLES = ("summary", "benchmarks", "models")
SHOWN_MODELS = 10
PEOPLE_COLUMNS = {
    "benchmarks": ("benchmark", "questions", "train", "val", "test", "none", "accuracy", "best_model", "missing_share"),
    "models": ("rank", "model_name", "accuracy", "standard_error", "answered", "missing_share"),
}
"""Columns shown to people; json and csv have all."""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("data", metavar="DATA", help="folder written by `embedllm data import`")
    parser.add_argument(
        "--table",
        type=Literal["all", "summary", "benchmarks", "models"],
        default="all",
        metavar="{all,summary,benchmarks,models}",
        help="what to show; csv and json tell the tables apart by a column `table`",
    )
    parser.add_argument(
        "--top",
        type=int | None,
        metavar="INT",
        help="models to list, best first (default: 10; all in csv and json)",
    )
    add_format(parser)


def run(args: Namespace) -> None:
    """Describe and print."""
    if args.top is not None and args.top < 1:
        raise UsageError(f"top must be at least 1, or null, but is {args.top}")

    from embedllm.data.describe import describe
    from embedllm.data.matrix import CorrectnessMatrix

    tables = describe(CorrectnessMatrix.load(args.data)).as_rows()
    names = TABLES if args.table == "all" else (args.table,)
    for_people = args.format in ("table", "markdown")
    models = len(tables["models"])
    tables["models"] = tables["models"][: args.top or (SHOWN_MODELS if for_people else None)]
    if not for_people:
        print(render([{"table": name} | row for name in names for row in tables[name]], args.format))
        return
    blocks = [
        _summary(tables[name][0])
        if name == "summary"
        else render([_for_people(row, name) for row in tables[name]], args.format)
        for name in names
    ]
    if "models" in names and len(tables["models"]) < models:
        blocks.append(f"{len(tables['models'])} of {models} models; --top {models} lists all")
    print("\n\n".join(blocks))


def _for_people(row: dict[str, Any], table: str) -> dict[str, Any]:
    """The columns of most interest."""
    return {column: row[column] for column in PEOPLE_COLUMNS[table]}


def _summary(row: dict[str, Any]) -> str:
    simulated = ", simulated" if row["simulated"] and "simulated" not in row["source"] else ""
    labels = f"{row['attempts']:,}"
    if row["repeated_attempts"]:
        labels += f", {row['repeated_attempts']:,} of them repeats in {row['repeated_cells']:,} cells"
        labels += f" ({row['conflicting_cells']:,} with conflicting labels)"
    rates = {"always": "", "per model": "_per_model", "per benchmark": "_per_benchmark"}
    rates["per model and benchmark"] = "_per_model_and_benchmark"
    base = [f"{name} {row['majority' + key if key else 'always_majority']:.4f}" for name, key in rates.items()]
    return "\n".join(
        [
            f"source    {one_line(row['source'])}{simulated}, digest {row['digest']}",
            f"size      {row['models']:,} models, {row['questions']:,} questions, {row['benchmarks']:,} benchmarks",
            f"labels    {labels}; {row['missing_share']:.2%} of the model-question pairs have none",
            f"right     {row['accuracy']:.4f} of the labels",
            f"majority  guessing the more frequent label is right: {base[0]},",
            f"          {', '.join(base[1:])}",
        ]
    )
