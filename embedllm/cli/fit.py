"""`embedllm fit`: train one configuration, compare it with every baseline, save it."""

import dataclasses
import sys
from typing import TYPE_CHECKING, Literal

from jsonargparse import Namespace

from embedllm.cli.options import add_encoding, add_split, chosen_split
from embedllm.cli.parser import Parser
from embedllm.cli.tables import add_format, render_comparison
from embedllm.config import PRESETS, FitConfig, preset
from embedllm.visible import shell_word, visible

if TYPE_CHECKING:
    from embedllm.experiment import Comparison

EXAMPLE = """
embedllm fit data --out artifact
embedllm fit data --out artifact --encoder lsa --embedding-dim 64 --seeds 5
embedllm fit data --out artifact --preset paper --format markdown
embedllm fit data --out artifact --config configs/paper.yaml --noise 0
"""

DEFAULT_PRESET = "fast"


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("data", metavar="DATA", help="folder written by `embedllm data import`")
    parser.add_argument("--out", required=True, metavar="ARTIFACT", help="folder to write the trained model to")
    parser.add_argument(
        "--preset",
        type=Literal["paper", "fast"],
        default=DEFAULT_PRESET,
        metavar="{paper,fast}",
        help="values for everything not given: paper is the official recipe, fast reaches "
        "equal accuracy in far fewer, larger steps",
    )
    parser.add_argument(
        "--seeds", type=int, default=3, metavar="INT", help="number of fits with different seeds, trained together"
    )
    parser.add_argument(
        "--side", type=Literal["val", "test"], default="test", metavar="{val,test}", help="questions to compare on"
    )
    parser.add_config_file()
    add_format(parser)
    parser.add_fields("configuration", preset(DEFAULT_PRESET), description=_difference_of_presets())
    add_split(parser, "Which questions train, validate and test.")
    add_encoding(parser)


def run(args: Namespace) -> None:
    """Train, print the comparison, save the artifact."""
    config = configuration(args)

    from embedllm.artifact import check_target
    from embedllm.data.matrix import CorrectnessMatrix
    from embedllm.experiment import fit_and_compare
    from embedllm.training.denormals import flushed_denormals

    check_target(args.out)
    data = CorrectnessMatrix.load(args.data)
    split = chosen_split(data, args)
    with flushed_denormals():  # before PyTorch has started threads, which take after the one that starts them
        comparison = fit_and_compare(
            data,
            config,
            seeds=args.seeds,
            split=split,
            side=args.side,
            cache_dir=args.cache,
            device=args.device,
            progress=True,
        )
    comparison.save(args.out)
    if args.format == "table":
        print(_heading(comparison, args.side))
    print(render_comparison(comparison.rows, args.format))
    again = f'embedllm route {shell_word(args.out)} "QUESTION"'
    print(f"\nsaved in {visible(args.out)}; `{again}` uses it", file=sys.stderr)


def _heading(comparison: "Comparison", side: str) -> str:
    data, split, config, results = comparison.data, comparison.split, comparison.config, comparison.results
    name = "simulated data" if data.meta.get("simulated") else "data"
    trained = config.training_questions or len(split.train)
    asked = len(getattr(split, side))
    seed = "" if split.seed is None else f", seed {split.seed}"
    seconds = sum(result.seconds for result in results)
    return (
        f"{name}: {_counted(data.num_models, 'model')}, {_counted(trained, 'question')} to train on, "
        f"{_counted(asked, f'{side} question')}; split: {split.name}{seed}\n"
        f"EmbedLLM: {config.encoder}, dimension {config.embedding_dim}, noise {config.noise:g}, "
        f"{_counted(config.epochs, 'epoch')}; {_counted(len(results), 'seed')} in {seconds:.1f} s\n"
    )


def _counted(number: int, noun: str) -> str:
    """`1 seed`, `1,000 questions`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def configuration(args: Namespace) -> FitConfig:
    """What the user gave, on the command line or in the file, over the preset.

    Raises:
        ConfigError: naming every value out of range.
    """
    given = {field.name: args[field.name] for field in dataclasses.fields(FitConfig) if field.name in args}
    return preset(args.preset).replace(**given)


def _difference_of_presets() -> str:
    """`Defaults are those of --preset fast; paper has …`."""
    fast, paper = (dataclasses.asdict(PRESETS[name]) for name in (DEFAULT_PRESET, "paper"))
    other = ", ".join(
        f"{name} {'null' if paper[name] is None else paper[name]}" for name in fast if fast[name] != paper[name]
    )
    return f"Defaults are those of --preset {DEFAULT_PRESET}; paper has {other}."
