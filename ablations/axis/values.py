"""The configuration everything is compared with, and the values tried on each axis around it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.config import AblationConfig
from embedllm.config import PRESETS, FitConfig, preset
from embedllm.errors import ConfigError
from embedllm.visible import shell_word

if TYPE_CHECKING:
    from embedllm.data.matrix import CorrectnessMatrix

AXES = ("embedding_dim", "noise", "encoder", "learning_rate")
TITLES = {
    "embedding_dim": "dimension",
    "noise": "noise α",
    "encoder": "question encoder",
    "learning_rate": "learning rate",
}

DIMENSIONS = (4, 16, 64, 256)
NOISES = (0.0, 0.025, 0.05, 0.1, 0.2, 0.4)
RATE_FACTORS = (1 / 9, 1 / 3, 3, 9)
ENCODERS = ("lsa:32", "lsa:96", "lsa")
NEAR = 1.25
"""Dimensions that close to the centre's are not tried: they would add nothing new."""


def centre(config: AblationConfig, data: "CorrectnessMatrix", around: str | None) -> tuple[FitConfig, str, list[str]]:
    """The configuration at the centre, what it is called, and notes for the reader.

    Args:
        config: gives the encoder, and a dimension if it names one, where a preset is the centre.
        data: the data it will be trained on.
        around: `paper`, `fast`, the folder of a sweep, or None for the preset of `config`.

    Raises:
        ConfigError: if `around` is neither, or the sweep has no winner.
    """
    name = around or config.preset
    if name in PRESETS:
        recipe = preset(name).replace(encoder=config.encoder, seed=config.seed)
        if config.embedding_dim is not None:
            recipe = recipe.replace(embedding_dim=config.embedding_dim)
        return recipe, f"preset {name}", []
    if not Path(name).expanduser().is_dir():
        raise ConfigError(f"around must be one of {', '.join(PRESETS)} or the folder of a sweep but is {name!r}")
    return _winner(name, config, data)


def _winner(folder: str, config: AblationConfig, data: "CorrectnessMatrix") -> tuple[FitConfig, str, list[str]]:
    from tune.folder import SweepFolder
    from tune.results.winner import read_winner

    sweep = SweepFolder.open(folder)
    winner = read_winner(sweep.path)
    if winner is None:
        raise ConfigError(
            f"the sweep {folder} has no winner yet; finish it with `python -m tune resume {shell_word(folder)}`"
        )
    notes = []
    if sweep.digest != data.digest:
        notes.append("The sweep ran on other data: its winner is a configuration like any other here.")
    elif (sweep.config.split, sweep.config.split_seed) != (config.split, config.split_seed):
        notes.append(
            f"The sweep chose its winner on another split ({sweep.config.split}, seed {sweep.config.split_seed}): test "
            "questions here may have been its validation questions, which favours the centre slightly. Use the same "
            "--split and --split-seed to avoid it."
        )
    available = len(config.base_split(data).train)
    recipe = winner.config.replace(seed=config.seed)
    if recipe.training_questions is not None and recipe.training_questions >= available:
        recipe = recipe.replace(training_questions=None)
    return recipe, f"winner of {sweep.path.name} (trial {winner.trial})", notes


def axis_values(axis: str, recipe: FitConfig, asked: Sequence[Any] | None) -> list[Any]:
    """Values to try on an axis, without the centre's own, in the order they were given or ascending.

    Args:
        axis: one of :data:`AXES`.
        recipe: the centre.
        asked: values wanted; None = the defaults.

    Raises:
        ConfigError: if no value besides the centre's is left.
    """
    own = getattr(recipe, axis)
    values: list[Any]
    if asked is not None:
        values = list(dict.fromkeys(asked))
    elif axis == "embedding_dim":
        values = [value for value in DIMENSIONS if not own / NEAR <= value <= own * NEAR]
    elif axis == "noise":
        values = list(NOISES)
    elif axis == "encoder":
        values = list(ENCODERS)
    else:
        values = [float(f"{own * factor:.3g}") for factor in RATE_FACTORS]
    kept = [value for value in values if value != own]
    if not kept:
        raise ConfigError(
            f"no value of {axis} is given besides {own}, the centre's; give another or leave the axis out"
        )
    return kept
