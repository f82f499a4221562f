"""`embedllm data import`: evaluation results from files."""

from typing import Literal

from jsonargparse import Namespace

from embedllm.cli.options import add_duplicates
from embedllm.cli.parser import Parser
from embedllm.visible import shell_word, visible

EXAMPLE = """
embedllm data import results.parquet data
embedllm data import embedllm_csvs/ data --duplicates majority
embedllm data import scores.csv data --columns.model llm --columns.label passed
embedllm data import harness_logs/ data --skip wikitext,truthfulqa_*
"""

COLUMNS = {
    "model": "name of the LLM",
    "question": "id of the question, or its text",
    "label": "0 or 1: whether the answer is correct",
    "prompt": "text of the question",
    "category": "task or subject of the question, from which its benchmark is derived",
    "benchmark": "benchmark the question belongs to",
    "split": "train, val or test",
    "attempts": "number of graded answers, of which the label is the mean",
    "model_name": "name of the LLM to show, where the models are given as ids",
}


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("source", metavar="SRC", help="file, or folder of files, with a label per model and question")
    parser.add_argument("data", metavar="DATA", help="folder to write; an earlier import there is replaced")
    parser.add_argument(
        "--format",
        type=Literal["auto", "official", "long", "wide", "harness"],
        default="auto",
        metavar="LAYOUT",
        help="official (the CSV folder of EmbedLLM), long (a row per answer), wide (a column per model), "
        "harness (lm-evaluation-harness sample logs), or auto to detect it",
    )
    add_duplicates(parser)
    parser.add_argument(
        "--skip",
        type=str,
        metavar="TASK,…",
        help="tasks of lm-evaluation-harness to leave out, e.g. those without a metric of 0 or 1; * matches anything",
    )
    columns = parser.add_argument_group(
        "columns", "Names of the source's columns, where they are not recognised automatically."
    )
    for name, meaning in COLUMNS.items():
        columns.add_argument(f"--columns.{name}", type=str, metavar="NAME", help=meaning)
    columns.add_argument(
        "--columns.ignore",
        type=str,
        metavar="NAME,…",
        help="columns to ignore, e.g. those of a wide table that are not models; * matches anything",
    )


def run(args: Namespace) -> None:
    """Import and print what was read, merged and skipped."""
    from embedllm.data.importing import import_data

    columns = {name: column for name, column in args.columns.as_dict().items() if column is not None}
    ignore = columns.pop("ignore", "")
    report = import_data(
        args.source,
        args.data,
        format=args.format,
        duplicates=args.duplicates,
        columns=columns or None,
        ignore=_names(ignore),
        skip=_names(args.skip or ""),
        progress=True,
    )
    print(visible(str(report)))
    print(f"saved in {visible(args.data)}; `embedllm data describe {shell_word(args.data)}` shows what is in it")


def _names(text: str) -> list[str]:
    """The names of a list with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]
