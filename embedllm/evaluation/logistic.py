"""L2-regularised logistic regression, solved for all LLMs at once.

Per model the objective is scikit-learn's: |w|²/2 + C · Σ log-loss over the graded answers, the intercept unpenalised.
All models share the encodings, so every step is two matrix products for the whole pool. The encodings are rotated to
their principal axes once; there the curvature is nearly diagonal and known in advance for every C, and L-BFGS, started
from it with its own history per model, needs some ten steps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

HISTORY = 8
TOLERANCE = 0.02
"""Distance to the optimum at which a model counts as solved, in the norm that the objective's curvature gives. At C = 1
that is in posterior standard deviations, so 2 % of one: far below what the labels can tell."""
MAX_STEPS = 200
BLOCK_ROWS = 1024
"""Questions of one pass: they stay in cache between the product that forecasts and the one that makes the gradient."""
ARMIJO = 1e-4
"""Share of the decrease promised by the slope that a step must deliver, or it is halved."""


@dataclass(frozen=True)
class LogisticWeights:
    """One logistic regression per output: P(right) = sigmoid(weights · encoding + offset)."""

    weights: np.ndarray
    """float64 of shape (outputs, width)."""
    offset: np.ndarray
    """float64 of shape (outputs,)."""

    def log_odds(self, encodings: np.ndarray) -> np.ndarray:
        """float64 of shape (outputs, questions)."""
        return self.weights @ encodings.T.astype(np.float64) + self.offset[:, None]

    def predict(self, encodings: np.ndarray) -> np.ndarray:
        """P(right answer): float32 of shape (outputs, questions)."""
        return torch.sigmoid(torch.from_numpy(self.log_odds(encodings))).float().numpy()


class LogisticPath:
    """Logistic regressions of every model on shared encodings, for a path of penalties.

    Args:
        encodings: float of shape (questions, width).
        correct: uint8 of shape (models, questions), right answers per cell.
        attempts: uint8 of the same shape, graded answers per cell; 0 = missing, no part in the fit.
        dtype: precision of the matrix products.
    """

    def __init__(
        self,
        encodings: np.ndarray,
        correct: np.ndarray,
        attempts: np.ndarray,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        rows = torch.from_numpy(np.require(encodings, np.float32, ["C", "W"])).to(dtype)
        self._center = rows.mean(dim=0)
        rows = rows - self._center
        curvature, self._axes = torch.linalg.eigh((rows.T @ rows).double())
        self._axes = self._axes.to(dtype)
        self._rows = torch.cat([rows @ self._axes, torch.ones(len(rows), 1, dtype=dtype)], dim=1)
        self._correct = torch.from_numpy(correct.astype(np.float32)).to(dtype)
        self._attempts = torch.from_numpy(attempts.astype(np.float32)).to(dtype)
        # Second derivative of the log-loss along each axis, were every forecast the model's base rate.
        answers = self._attempts.sum(dim=1, keepdim=True)
        pool = (self._correct.sum() + 0.5) / (self._attempts.sum() + 1)
        rate = ((self._correct.sum(dim=1, keepdim=True) + pool) / (answers + 1)).double()
        spread = torch.cat([curvature.clamp(min=0), torch.tensor([float(len(rows))], dtype=torch.float64)])
        self._curvature = (rate * (1 - rate) * answers / len(rows) * spread).to(dtype)
        self._penalised = torch.ones(self._rows.shape[1], dtype=dtype)
        self._penalised[-1] = 0
        # Start from the base rates, which is also where a model without labels stays: at the pool's.
        self._start = torch.zeros(len(correct), self._rows.shape[1], dtype=dtype)
        self._start[:, -1] = torch.logit(rate[:, 0])

    def solve(self, penalties: Sequence[float], tolerance: float = TOLERANCE) -> Iterator[LogisticWeights]:
        """The regressions for each C of `penalties`, every one started from the last one's solution.

        Args:
            penalties: scikit-learn's C > 0, best ascending; larger regularises less.
            tolerance: see :data:`TOLERANCE`; the objective ends within about tolerance²/2 of its minimum.
        """
        weights = self._start
        for c in penalties:
            weights = self._minimise(weights, c, tolerance)
            in_encoding_space = weights[:, :-1] @ self._axes.T
            offset = weights[:, -1] - in_encoding_space @ self._center
            yield LogisticWeights(in_encoding_space.double().numpy(), offset.double().numpy())

    def _objective(self, weights: torch.Tensor, c: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Value (models,), float64, and gradient (models, width + 1) of each model's objective."""
        penalised = weights * self._penalised
        value = (penalised.double() ** 2).sum(dim=1) / 2
        gradient = penalised / c
        for start in range(0, len(self._rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            rows, correct, attempts = self._rows[block], self._correct[:, block], self._attempts[:, block]
            log_odds = weights @ rows.T
            losses = attempts * torch.nn.functional.softplus(log_odds) - correct * log_odds
            value += c * losses.sum(dim=1, dtype=torch.float64)
            gradient.addmm_(attempts * torch.sigmoid(log_odds) - correct, rows)
        return value, c * gradient

    def _minimise(self, weights: torch.Tensor, c: float, tolerance: float) -> torch.Tensor:
        """L-BFGS on all models side by side: each has its own curvature history and step length."""
        inverse_curvature = 1 / (c * self._curvature + self._penalised).clamp(min=torch.finfo(weights.dtype).tiny)
        value, gradient = self._objective(weights, c)
        history: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        for _ in range(MAX_STEPS):
            active = (gradient.square() * inverse_curvature).sum(dim=1) > tolerance**2
            if not active.any():
                break
            direction = -_two_loop(gradient, history, inverse_curvature)
            slope = _dot(gradient, direction)
            step = active.to(weights.dtype)[:, None]
            while True:
                moved = weights + step * direction
                new_value, new_gradient = self._objective(moved, c)
                # the last term forgives rounding, which dominates the decrease close to the optimum
                allowed = value + ARMIJO * (step * slope).double()[:, 0] + 1e-6 * value.abs()
                too_far = new_value > allowed
                if not too_far.any() or float(step.max()) < 1e-6:
                    break
                step = torch.where(too_far[:, None], step / 2, step)
            change, bend = moved - weights, new_gradient - gradient
            product = _dot(change, bend)
            usable = product > 1e-6 * (_dot(change, change) * _dot(bend, bend)).sqrt()  # false where nothing moved
            history = [*history[1 - HISTORY :], (change, bend, torch.where(usable, 1 / product, 0))]
            weights, value, gradient = moved, new_value, new_gradient
        return weights


def _dot(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Row-wise inner products, kept as a column."""
    return (left * right).sum(dim=1, keepdim=True)


def _two_loop(
    gradient: torch.Tensor,
    history: Sequence[tuple[torch.Tensor, torch.Tensor, torch.Tensor]],
    inverse_curvature: torch.Tensor,
) -> torch.Tensor:
    """L-BFGS's inverse Hessian times gradient (Nocedal & Wright, algorithm 7.4), row by row.

    `history` holds (step, change of gradient, 1 / their product), the oldest first; 0 skips an entry for that row.
    """
    direction, coefficients = gradient, []
    for change, bend, inverse in reversed(history):
        coefficients.append(inverse * _dot(change, direction))
        direction = direction - coefficients[-1] * bend
    direction = direction * inverse_curvature
    if history:  # the last step tells how far the curvature has moved from the one assumed
        _, bend, inverse = history[-1]
        seen = inverse * _dot(bend, bend * inverse_curvature)
        direction = direction / torch.where(seen > 0, seen, 1)
    for (change, bend, inverse), coefficient in zip(history, reversed(coefficients), strict=True):
        direction = direction + change * (coefficient - inverse * _dot(bend, direction))
    return direction
