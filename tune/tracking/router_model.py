"""The winner of a sweep as MLflow serves it: questions in; every model's probability and the chosen model out.

MLflow runs this file when it loads the model ("models from code"), so nothing is ever unpickled: the parameters are
the safetensors and JSON of an artifact. The file needs `embedllm` only, which travels with the model.
"""

from collections.abc import Iterable
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PythonModel, PythonModelContext

from embedllm.artifact import load_artifact

ARTIFACT = "embedding"
"""Name under which the artifact's folder is stored with the model."""
DIGITS = 6
"""Decimal places of a probability: single precision has no more, and its noise would be half of every answer."""
HOW_TO_ASK = 'questions are given as {"inputs": ["What is 7 * 8?"]}, or as a column `question` of texts'


class QuestionRouter(PythonModel):
    """Predicts which LLM of the pool answers a question right."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the artifact, and the question encoder's weights: what is missing is told now, not to the first user."""
        self._artifact = load_artifact(context.artifacts[ARTIFACT])
        self._artifact.predict_proba(["Is everything there?"])

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Route questions.

        Args:
            context: unused.
            model_input: column `question`, texts.
            params: none are known.

        Returns:
            A row per question: `chosen_model`, the name of the LLM most likely right; `probability`, its P(correct);
            `probabilities`, a mapping of every LLM's name to its P(correct).

        Raises:
            MlflowException: if there are none, or one is no text or an empty one; the server answers 400.
        """
        if "question" not in model_input:
            raise MlflowException.invalid_parameter_value(f"there is no column `question`; {HOW_TO_ASK}")
        questions = _texts(model_input["question"])
        probability = self._artifact.predict_proba(questions).astype(float).round(DIGITS)
        names = list(self._artifact.model_names)
        best = probability.argmax(axis=0)
        return pd.DataFrame(
            {
                "chosen_model": [names[model] for model in best],
                "probability": probability.max(axis=0),
                "probabilities": [dict(zip(names, row, strict=True)) for row in probability.T.tolist()],
            }
        )


def _texts(cells: Iterable[Any]) -> list[str]:
    # MLflow makes one cell of the list in `predict({"question": ["a", "b"]})`.
    lists = ([cell] if isinstance(cell, str) or not np.iterable(cell) else cell for cell in cells)
    questions = [text for texts in lists for text in texts]
    wrong = [place for place, text in enumerate(questions) if not (isinstance(text, str) and text.strip())]
    if wrong:
        first = questions[wrong[0]]
        shown = "null" if first is None or first != first else repr(first)
        raise MlflowException.invalid_parameter_value(
            f"every question must be a text that is not empty, but {len(wrong)} of {len(questions)} are not; the first "
            f"is number {wrong[0]}, counted from 0: {shown}"
        )
    return questions


mlflow.models.set_model(QuestionRouter())
