"""`embedllm data download`: the public data, from the Hugging Face Hub."""

from jsonargparse import Namespace

from embedllm.cli.options import add_duplicates
from embedllm.cli.parser import Parser
from embedllm.visible import shell_word, visible

EXAMPLE = """
embedllm data download data
embedllm data download data --revision 0123abc --duplicates majority
"""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("data", metavar="DATA", help="folder to write; an earlier import there is replaced")
    parser.add_argument(
        "--repo", type=str, default="RZ412/EmbedLLM", metavar="NAME", help="dataset repository on the Hub"
    )
    parser.add_argument(
        "--revision", type=str | None, metavar="NAME", help="branch, tag or commit to pin (default: the latest)"
    )
    add_duplicates(parser)


def run(args: Namespace) -> None:
    """Download, import and print what was read, merged and skipped."""
    from embedllm.data.hub import download

    report = download(args.data, repo=args.repo, revision=args.revision, duplicates=args.duplicates, progress=True)
    print(visible(str(report)))
    print(f"saved in {visible(args.data)}; `embedllm data describe {shell_word(args.data)}` shows what is in it")
