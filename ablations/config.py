"""Settings that every ablation has. YAML files and command lines mirror this dataclass one to one."""

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from ablations.cell import METHODS
from embedllm.checks import not_among, not_counts, not_gpus, too_small
from embedllm.config import PRESETS, FitConfig, SplitChoice, preset
from embedllm.errors import ConfigError
from tune.config import SweepConfig

if TYPE_CHECKING:
    from embedllm.data.matrix import CorrectnessMatrix
    from embedllm.data.splits import Split


@dataclass(frozen=True)
class AblationConfig:
    """What all designs share: data, recipe, seeds, and where it runs. A design's own options are fields of the design.

    Raises:
        ConfigError: naming every value out of range.
    """

    data: str | None = None
    """Folder written by `embedllm data import`; null = simulated data."""
    out: str | None = None
    """Folder of the results, one folder per design in it; null = ablation-results/ with the date and time."""
    preset: str = "fast"
    """Base configuration: `fast` or `paper`."""
    encoder: str = "lsa"
    """Question encoder: `lsa`, `lsa:WIDTH`, or a sentence-transformers name or local path."""
    embedding_dim: int | None = None
    """Size of a model's embedding vector; null = the preset's."""
    seeds: int = 5
    """Seeds per configuration; differences are paired by seed."""
    seed: int = 0
    """First seed; the others follow it."""
    methods: list[str] = field(default_factory=lambda: ["embedllm", "knn", "lookup", "lookup_predicted"])
    """Methods compared, where a design compares any: embedllm, knn, lookup, lookup_predicted, model_mean, logistic."""
    split: SplitChoice = "auto"
    """Validation and test questions: given by the data, random, or `auto` = given if the data names test questions,
    else random. A given split without validation questions draws them from train."""
    split_seed: int = 0
    """Seed of a random split, or of the validation questions drawn from train."""
    pack: int | None = None
    """Most cells trained fused as one batch; null = chosen by how long they take."""
    slots: int | None = None
    """Batches trained in parallel; null = as many as fit on the CPUs or GPUs."""
    cpus_per_pack: int | None = None
    """CPU threads per batch; null = 1, or with GPUs the CPUs divided among the slots."""
    gpus_per_pack: float | None = None
    """GPUs per batch, a fraction to share one; null = 0.5 where there are GPUs, else 0."""
    address: str | None = None
    """Ray cluster to join: `auto` or HOST:PORT; null = start Ray on this machine."""
    tracking_uri: str | None = None
    """MLflow tracking URI; null = MLFLOW_TRACKING_URI, else an SQLite database beside the results' folder."""

    def __post_init__(self) -> None:
        problems = too_small(self, seeds=1, seed=0, split_seed=0)
        problems += not_counts(self, "embedding_dim", "pack", "slots", "cpus_per_pack")
        problems += not_gpus(self, "gpus_per_pack")
        problems += not_among(self, preset=tuple(PRESETS), split=get_args(SplitChoice))
        unknown = [method for method in self.methods if method not in METHODS]
        if unknown or not self.methods or len(set(self.methods)) < len(self.methods):
            problems.append(f"methods must be distinct and among {', '.join(METHODS)} but are {self.methods}")
        if problems:
            raise ConfigError("invalid ablation configuration: " + "; ".join(problems))

    @property
    def seed_values(self) -> range:
        """The seeds: `seed`, `seed + 1`…"""
        return range(self.seed, self.seed + self.seeds)

    def recipe(self, **changes: Any) -> FitConfig:
        """The preset with this configuration's encoder and dimension and the first seed, some values changed."""
        own: dict[str, Any] = {"encoder": self.encoder, "seed": self.seed}
        if self.embedding_dim is not None:
            own["embedding_dim"] = self.embedding_dim
        return preset(self.preset).replace(**(own | changes))

    def base_split(self, data: "CorrectnessMatrix") -> "Split":
        """The split of all questions that designs start from.

        Raises:
            DataError: if `given` is asked for and the data carries no sides.
            ConfigError: if there is a `split_seed` but chance has no part in the split.
        """
        from embedllm.data.splits import choose_split
        from tune.data import check_split_seed

        split = choose_split(data, self.split, self.split_seed)
        check_split_seed(SweepConfig(split=self.split, split_seed=self.split_seed), split)
        return split

    def replace(self, **changes: Any) -> "AblationConfig":
        """A copy with some values changed."""
        return dataclasses.replace(self, **changes)
