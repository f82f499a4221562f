"""A trained embedding as a folder of plain files: what `embedllm fit` writes and `evaluate` and `route` read.

    model.safetensors     the parameters of every seed, and the fitted state of the question encoder
    config.json           configuration, model names, encoder, metrics and provenance

Nothing is pickled, so loading an artifact never runs code from it.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from embedllm.config import FitConfig
from embedllm.encoders import QuestionEncoder, restore_encoder
from embedllm.errors import EmbedLLMError
from embedllm.model import EmbedLLM
from embedllm.storage import FolderKind, replaced_folder
from embedllm.version import __version__

if TYPE_CHECKING:
    from embedllm.data.matrix import CorrectnessMatrix
    from embedllm.data.splits import Split
    from embedllm.training import FitResult

TENSORS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
FOLDER = FolderKind(
    "an artifact", marker=CONFIG_FILE, keys=("format", "model_names"), files=(CONFIG_FILE, TENSORS_FILE)
)
FORMAT = 1
REQUIRED = {"fit": dict, "seeds": list, "model_names": list, "encoder": dict, "data_digest": str, "split": dict}
"""Entries without which an artifact cannot be used, none of them empty."""
KIND_TEXTS = {dict: "an object", list: "a non-empty list", str: "a string"}
RECORDED_PACKAGES = ("torch", "numpy", "scikit-learn", "sentence-transformers")


@dataclass(frozen=True)
class Artifact:
    """A trained embedding, ready to predict.

    Args:
        models: one EmbedLLM per seed; predictions average their probabilities.
        config: configuration of the first seed.
        encoder: the question encoder, fitted where it needs fitting.
        model_names: names of the M LLMs, in the order of every model axis.
        metadata: everything else of `config.json`: metrics (NaN where undefined, which the file writes as null), data
            digest, split, package versions, creation time.
    """

    models: Sequence[EmbedLLM]
    config: FitConfig
    encoder: QuestionEncoder
    model_names: Sequence[str]
    metadata: Mapping[str, Any]

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """P(correct) of every LLM on every question text, float32 of shape (models, questions).

        Raises:
            EmbedLLMError: if `texts` is a single string, or holds anything but strings.
        """
        if isinstance(texts, str):
            raise EmbedLLMError("texts must be a list of question texts but is one string; give it as [text]")
        others = [text for text in texts if not isinstance(text, str)]
        if others:
            raise EmbedLLMError(f"texts must be question texts but hold {others[0]!r}; leave it out or give its text")
        return self.predict_encoded(self.encoder.encode(texts))

    def predict_encoded(self, encodings: np.ndarray) -> np.ndarray:
        """The same from encodings of shape (questions, width) made by this artifact's encoder.

        The route of a question is the argmax over models.
        """
        return mean_probability(self.models, encodings)


def mean_probability(models: Sequence[EmbedLLM], encodings: np.ndarray) -> np.ndarray:
    """P(correct) averaged over the seeds' models, float32 of shape (models, questions)."""
    total = models[0].predict_proba(encodings)
    for model in models[1:]:
        total += model.predict_proba(encodings)
    total /= len(models)
    return total


def check_target(folder: str | os.PathLike[str]) -> Path:
    """The folder, if an artifact may be written there: before hours of training, not after.

    Raises:
        EmbedLLMError: if it is a file, holds anything else than an artifact, or its place is not writable.
    """
    target = Path(folder)
    refusal = FOLDER.refusal(target)
    if refusal is not None:
        raise EmbedLLMError(f"{target} {refusal}")
    return target


def save_artifact(
    folder: str | os.PathLike[str],
    results: "Sequence[FitResult]",
    encoder: QuestionEncoder,
    data: "CorrectnessMatrix",
    split: "Split",
    metrics: Mapping[str, float],
) -> Path:
    """Write an artifact, all or nothing; an older artifact in the same place is replaced.

    Args:
        folder: where to; must be new, empty or an artifact.
        results: the fits of one configuration, one per seed; failed seeds are left out.
        encoder: the encoder whose encodings were trained on.
        data: the correctness matrix, for its digest and model names.
        split: the split trained on.
        metrics: what is known of its quality, by metric name.

    Raises:
        EmbedLLMError: if every seed failed, `folder` holds something else, or it cannot be written.
    """
    target = check_target(folder)
    trained = [result for result in results if result.model is not None]
    if not trained:
        raise EmbedLLMError(f"nothing to save in {target}: {results[0].failure}")
    encoder_state, encoder_arrays = encoder.state()
    tensors = {
        f"seed.{number}.{name}": tensor
        for number, result in enumerate(trained)
        if result.model is not None
        for name, tensor in result.model.tensors().items()
    }
    tensors |= {f"encoder.{name}": torch.from_numpy(np.ascontiguousarray(a)) for name, a in encoder_arrays.items()}
    sides = {"train": len(split.train), "val": len(split.val), "digest": split.digest}
    config = {
        "format": FORMAT,
        "fit": asdict(trained[0].config),
        "seeds": [result.config.seed for result in trained],
        "model_names": data.model_names,
        "encoder": encoder_state,
        "metrics": {name: value if math.isfinite(value) else None for name, value in metrics.items()},
        "data_digest": data.digest,
        "data_simulated": bool(data.meta.get("simulated", False)),
        "split": {"name": split.name, "seed": split.seed, **sides},
        "packages": {"embedllm-tune": __version__} | {name: version(name) for name in RECORDED_PACKAGES},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        with replaced_folder(target) as staging:
            save_file(tensors, staging / TENSORS_FILE)
            (staging / CONFIG_FILE).write_text(json.dumps(config, indent=2, allow_nan=False) + "\n")
    except (OSError, SafetensorError) as error:
        raise EmbedLLMError(
            f"the artifact {target} cannot be written ({error}); is the disk full? What was there before is unchanged"
        ) from error
    return target


def load_artifact(folder: str | os.PathLike[str]) -> Artifact:
    """Read an artifact written by :func:`save_artifact`.

    Raises:
        EmbedLLMError: if the folder is no artifact, is damaged, or was written in a newer format.
    """
    path = Path(folder)
    missing = [name for name in (CONFIG_FILE, TENSORS_FILE) if not (path / name).is_file()]
    if missing:
        raise EmbedLLMError(
            f"{path} is not an artifact ({' and '.join(missing)} missing); write one with "
            "`embedllm fit DATA --out ARTIFACT`"
        )
    try:
        metadata = json.loads((path / CONFIG_FILE).read_text())
        tensors = load_file(path / TENSORS_FILE)
    except Exception as error:  # whatever a damaged file makes the readers raise
        raise EmbedLLMError(f"{path} cannot be read ({type(error).__name__}: {error}); fit it again") from error
    if not isinstance(metadata, dict) or "format" not in metadata:
        raise EmbedLLMError(
            f"{path} is not an artifact ({CONFIG_FILE} has no `format`); write one with "
            "`embedllm fit DATA --out ARTIFACT`"
        )
    if metadata["format"] != FORMAT:
        raise EmbedLLMError(
            f"{path} has artifact format {metadata['format']!r:.60}; this version reads format {FORMAT}: "
            "update embedllm-tune or fit again"
        )
    try:
        return _restored(metadata, tensors)
    except EmbedLLMError as error:
        reason = str(error).partition("; fit ")[0]  # encoders end with the advice that is given here
    except Exception as error:  # whatever a value of the wrong kind makes the constructors raise
        reason = f"{type(error).__name__}: {error}"
    raise EmbedLLMError(f"{path} is damaged: {reason}; make it again with `embedllm fit`")


def _restored(metadata: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Artifact:
    """The artifact of these parts.

    Raises:
        EmbedLLMError: for the first part found that is missing or does not fit the others.
    """
    _check_config(metadata)
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise EmbedLLMError(f"{TENSORS_FILE} holds numbers that are not finite, in {broken[0]}")
    config = FitConfig(**metadata["fit"])
    arrays = {name.removeprefix("encoder."): t.numpy() for name, t in tensors.items() if name.startswith("encoder.")}
    encoder = restore_encoder(metadata["encoder"], arrays)
    names = metadata["model_names"]
    models = [
        _model(number, tensors, names=len(names), width=encoder.width) for number in range(len(metadata["seeds"]))
    ]
    metrics = {name: math.nan if value is None else value for name, value in metadata.get("metrics", {}).items()}
    metadata = {**metadata, "metrics": metrics}
    return Artifact(models=models, config=config, encoder=encoder, model_names=names, metadata=metadata)


def _check_config(metadata: Mapping[str, Any]) -> None:
    """Raise EmbedLLMError naming the entries of `config.json` that are missing or of the wrong kind."""
    missing = [name for name in REQUIRED if name not in metadata]
    if missing:
        raise EmbedLLMError(f"{CONFIG_FILE} lacks {', '.join(missing)}")
    for name, kind in REQUIRED.items():
        if not isinstance(metadata[name], kind) or not metadata[name]:
            raise EmbedLLMError(f"`{name}` in {CONFIG_FILE} must be {KIND_TEXTS[kind]} but is {metadata[name]!r:.60}")
    if not all(isinstance(name, str) for name in metadata["model_names"]):
        raise EmbedLLMError(f"`model_names` in {CONFIG_FILE} must hold strings only")
    metrics = metadata.get("metrics", {})
    if not isinstance(metrics, dict) or not all(value is None or _is_number(value) for value in metrics.values()):
        raise EmbedLLMError(f"`metrics` in {CONFIG_FILE} must be an object of numbers and nulls but is {metrics!r:.60}")
    absent = [name for name in ("name", "seed") if name not in metadata["split"]]
    if absent:
        raise EmbedLLMError(f"`split` in {CONFIG_FILE} lacks {', '.join(absent)}")
    unknown = sorted(metadata["fit"].keys() - {field.name for field in fields(FitConfig)})
    if unknown:
        raise EmbedLLMError(f"`fit` in {CONFIG_FILE} has entries that this version does not know: {', '.join(unknown)}")
    # Without its width a pretrained encoder would load its model to find out.
    width = metadata["encoder"].get("width", 1)
    if not isinstance(width, int) or isinstance(width, bool) or width < 1:
        raise EmbedLLMError(
            f"the `width` of `encoder` in {CONFIG_FILE} must be a number from 1 on but is {width!r:.60}"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _model(number: int, tensors: Mapping[str, torch.Tensor], *, names: int, width: int) -> EmbedLLM:
    """The model of one seed, if its tensors are there and fit the model names, the encoder and each other."""
    prefix = f"seed.{number}."
    own = _under(prefix, tensors)
    missing = [f"{prefix}{field.name}" for field in fields(EmbedLLM) if field.name not in own]
    if missing:
        raise EmbedLLMError(f"{TENSORS_FILE} lacks {', '.join(missing)}")
    if own["model_embeddings"].ndim != 2:
        raise EmbedLLMError(
            f"{prefix}model_embeddings must have two axes but has shape {tuple(own['model_embeddings'].shape)}"
        )
    model = EmbedLLM.from_tensors(own)
    if model.num_models != names:
        raise EmbedLLMError(
            f"{CONFIG_FILE} has {names} model names, but {prefix}model_embeddings has {model.num_models} models"
        )
    dim = model.embedding_dim
    expected = {"model_embeddings": (names, dim), "projection": (width, dim), "bias": (dim,)}
    for name, shape in (expected | {"head_weight": (2, dim), "head_bias": (2,)}).items():
        tensor = own[name]
        if tuple(tensor.shape) != shape or tensor.dtype != torch.float32:
            raise EmbedLLMError(
                f"{prefix}{name} has shape {tuple(tensor.shape)} and type {tensor.dtype}; it must have shape {shape} "
                f"and type {torch.float32}"
            )
    return model


def _under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
