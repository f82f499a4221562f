"""Configuration of one fit, and the named presets.

`FitConfig` names are the ones used everywhere: command line, YAML, MLflow parameters, leaderboard columns.
"""

import dataclasses
import difflib
import numbers
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from embedllm.checks import not_among, not_counts, too_small
from embedllm.errors import ConfigError

PAPER_BATCH_PAIRS = 2048
"""Batch of the official recipe, in (model, question) pairs."""

EPOCH_BATCHES = 10
"""Batches an epoch has at least: with fewer, a preset's epochs are too few steps on small data."""

GROUPED_QUESTIONS = 128
"""Questions a batch of grouped models may have: exact noise costs 6 x models x width x dimension FLOPs a batch and the
questions next to nothing, until gathering them does."""

_KINDS: dict[type, tuple[type, str]] = {
    int: (numbers.Integral, "a whole number"),
    float: (numbers.Real, "a number"),
    str: (str, "a text"),
}
"""Types of fields, what their values may be, and how that is said."""


def _wrong_types(config: object) -> list[str]:
    """What is not of its field's type, one sentence part a value."""
    problems = []
    for name, hint in typing.get_type_hints(type(config)).items():
        value = getattr(config, name)
        parts = typing.get_args(hint) or (hint,)
        for kind, (types, words) in _KINDS.items():
            fits = isinstance(value, types) and not isinstance(value, bool)
            if kind in parts and not fits and not (value is None and type(None) in parts):
                problems.append(f"{name} must be {words}{', or null,' * (type(None) in parts)} but is {value!r}")
    return problems


def _nearest(name: str, names: Sequence[str]) -> str:
    """` (the nearest is 'noise')`, where there is one."""
    close = difflib.get_close_matches(name, names, n=1)
    return f" (the nearest is {close[0]!r})" if close else ""


SplitChoice = Literal["auto", "given", "random"]
"""Names of the ways to divide questions; see :func:`embedllm.data.splits.choose_split`."""


@dataclass(frozen=True)
class FitConfig:
    """Everything that decides the outcome of one fit besides the data.

    The defaults are the official recipe of EmbedLLM (arXiv 2410.02223, its public code).

    Raises:
        ConfigError: naming every value of the wrong type or out of range.
    """

    encoder: str = "all-mpnet-base-v2"
    """Question encoder: `lsa`, or a sentence-transformers name or local path."""
    embedding_dim: int = 232
    """Size d of a model's embedding vector."""
    noise: float = 0.05
    """Standard deviation α of the Gaussian noise added to question encodings while training."""
    noise_per: Literal["pair", "question"] = "pair"
    """Draw the noise for every (model, question) pair, as the paper does, or once per question."""
    training_questions: int | None = None
    """Number of training questions used, a nested random subset; None = all."""
    learning_rate: float = 1e-4
    """Adam's learning rate; the peak where `schedule` is one-cycle."""
    weight_decay: float = 1e-5
    """Adam's L2 penalty."""
    batch_questions: int | None = None
    """Batch size, in questions answered by all models; None = 2,048 pairs' worth, as the official recipe. Never more
    than a tenth of the training questions, so that small data gets enough steps."""
    model_groups: int | None = None
    """Deal the models into this many groups; a batch is then one group on this many times the questions: equally many
    pairs, for which exact noise is cheaper. None = as many as keep a batch at no more than 128 questions; 1 with noise
    per question. With 1, losses follow the official loop epoch by epoch; with more, embeddings move more slowly at
    first."""
    epochs: int = 50
    """Passes over the training questions."""
    schedule: Literal["constant", "one-cycle"] = "constant"
    """Learning-rate schedule."""
    keep: Literal["best", "last"] = "best"
    """Keep the parameters of the epoch with the lowest validation log-loss, or the last epoch's, as the official code
    does."""
    patience: int | None = None
    """Stop after this many epochs without a better validation log-loss; None = never stop early."""
    seed: int = 0
    """Seeds initialisation, batch order, noise and the training subset."""

    def __post_init__(self) -> None:
        problems = _wrong_types(self)
        if not problems:  # else ranges cannot be told
            problems += too_small(self, embedding_dim=1, epochs=1, seed=0)
            problems += not_counts(self, "training_questions", "batch_questions", "model_groups", "patience")
            for name in ("noise", "weight_decay"):
                if not 0 <= getattr(self, name) < float("inf"):
                    problems.append(f"{name} must be zero or positive but is {getattr(self, name)}")
            if not 0 < self.learning_rate < float("inf"):
                problems.append(f"learning_rate must be positive but is {self.learning_rate}")
            problems += not_among(
                self, noise_per=("pair", "question"), schedule=("constant", "one-cycle"), keep=("best", "last")
            )
        if problems:
            raise ConfigError("invalid fit configuration: " + "; ".join(problems))

    def replace(self, **changes: object) -> "FitConfig":
        """A copy with some values changed.

        Raises:
            ConfigError: for names that are none of the fields, with the nearest ones, and for values as above.
        """
        names = [field.name for field in dataclasses.fields(self)]
        unknown = [f"{name!r}{_nearest(name, names)}" for name in changes if name not in names]
        if unknown:
            raise ConfigError(f"a fit configuration has no {', no '.join(unknown)}; it has {', '.join(names)}")
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    def batch_for(self, num_models: int) -> int:
        """Batch size asked for, in questions answered by all of `num_models` LLMs."""
        return self.batch_questions or max(1, round(PAPER_BATCH_PAIRS / num_models))

    def batch_shape(self, num_models: int, num_questions: int) -> tuple[int, int]:
        """Questions in a batch and groups the models are dealt into, with `num_questions` to train on."""
        asked = self.batch_for(num_models)
        groups = self.model_groups or (max(1, GROUPED_QUESTIONS // asked) if self.noise_per == "pair" else 1)
        questions = min(asked, -(-num_questions // EPOCH_BATCHES))
        groups = min(groups, num_models)
        return min(questions * groups, num_questions), groups


PRESETS: dict[str, FitConfig] = {
    "paper": FitConfig(),
    "fast": FitConfig(batch_questions=512, learning_rate=2e-2, epochs=10, schedule="one-cycle"),
}


def preset(name: str) -> FitConfig:
    """The named preset: `paper` (official recipe) or `fast` (same accuracy, far fewer and larger steps).

    Raises:
        ConfigError: for an unknown name.
    """
    if name not in PRESETS:
        raise ConfigError(f"unknown preset {name!r}; allowed: {', '.join(PRESETS)}")
    return PRESETS[name]
