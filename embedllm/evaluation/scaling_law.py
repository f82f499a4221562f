"""How a loss falls with the number of training questions: a power law with an offset, and what it says.

    L(n) = c + a n^-b        a > 0, b > 0

c is the loss no amount of such questions gets below (for this model family), a the price of few questions, b the
speed. The offset makes it a law for held-out losses and error rates, which do not fall to zero.
"""

from dataclasses import dataclass

import numpy as np

from embedllm.errors import DataError

MIN_SIZES = 4
"""Three numbers are fitted; with fewer sizes nothing is left to see the misfit."""

MIN_SEEDS = 3
"""Fewer seeds give a fit but no interval."""

ROUNDING = 1e-12
"""A fall of the fitted curve by less than this share of the loss is no fall."""

EXPONENTS = np.geomspace(0.02, 4.0, 400)
"""Values of b tried; a best value at either end means that the sizes do not tell it."""


@dataclass(frozen=True)
class ScalingLaw:
    """L(n) = c + a n^-b, fitted to the mean over seeds, and fits to resampled means.

    The intervals are percentiles over means of resampled *seeds* with the misfit of the law put back at random signs (a
    wild bootstrap). They hold the luck of training subset and initialisation and how badly a power law describes the
    points, not the luck of the test questions, which all seeds share.
    """

    a: float
    b: float
    c: float
    sizes: np.ndarray
    """float64 of shape (sizes,), ascending: what it was fitted on. Beyond them the law is extrapolation."""
    residual: float
    """Root mean squared misfit of the means, in the loss's unit."""
    resampled: np.ndarray
    """float64 of shape (resamples, 3): a, b, c fitted to resampled means; empty with fewer than 3 seeds."""
    confidence: float
    seeds: int

    @property
    def exponent_found(self) -> bool:
        """Whether b lies inside the values tried. If not, a, b and c are a curve through the points, not a law."""
        return bool(EXPONENTS[0] < self.b < EXPONENTS[-1])

    def predict(self, sizes: np.ndarray | float) -> np.ndarray:
        """Loss at these numbers of questions, float64 of the same shape."""
        return np.asarray(self.c + self.a * np.asarray(sizes, dtype=np.float64) ** -self.b)

    def interval(self, name: str) -> tuple[float, float]:
        """Percentile interval of `a`, `b` or `c`; NaN with too few seeds."""
        return self._percentiles(self.resampled[:, "abc".index(name)])

    def band(self, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pointwise percentile interval of the curve: two float64 of the shape of `sizes`, NaN with too few seeds."""
        sizes = np.asarray(sizes, dtype=np.float64)
        if not len(self.resampled):
            return np.full(sizes.shape, np.nan), np.full(sizes.shape, np.nan)
        a, b, c = self.resampled.T[:, :, None]
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(c + a * sizes**-b, [tail, 1 - tail], axis=0)
        return low, high

    def questions_within(self, margin: float, full: float | None = None) -> tuple[float, float, float]:
        """Number of questions from which the curve is at most `margin` above its value at `full` questions.

        Args:
            margin: in the loss's unit, positive: 0.005 is half a point of an error rate.
            full: number of questions compared with; None = the largest size fitted.

        Returns:
            The number by the fit and its percentile interval (NaN with too few seeds).
        """
        full = float(self.sizes[-1]) if full is None else full
        low, high = self._percentiles(_within(self.resampled.T, margin, full))
        return float(_within(np.array([[self.a], [self.b], [self.c]]), margin, full)[0]), low, high

    def _percentiles(self, values: np.ndarray) -> tuple[float, float]:
        if not values.size:
            return float("nan"), float("nan")
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(values, [tail, 1 - tail])
        return float(low), float(high)


def fit_scaling_law(
    sizes: np.ndarray,
    losses: np.ndarray,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> ScalingLaw:
    """Fit the law by least squares to the means over seeds, and again to resampled means.

    For a given b the law is linear in a and c, so b alone is searched: on a grid, then between its points.

    Args:
        sizes: numbers of training questions, positive and distinct, shape (sizes,).
        losses: float of shape (seeds, sizes): log-loss, or 1 - accuracy; all finite.
        resamples: number of resampled means.
        confidence: coverage of the percentile intervals.
        seed: seed of the resampling.

    Raises:
        DataError: for fewer than :data:`MIN_SIZES` sizes, losses that are not finite, or a mean loss that does not
            fall with the number of questions, for which there is no such law.
    """
    sizes, losses = np.asarray(sizes, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    problems = []
    if losses.ndim != 2 or losses.shape[1:] != sizes.shape or not len(losses):
        problems.append(f"`losses` has shape {losses.shape}; it must be (seeds, sizes) for sizes of {sizes.shape}")
    elif not np.isfinite(losses).all():
        problems.append(f"{int((~np.isfinite(losses)).sum())} losses are not finite numbers")
    if len(np.unique(sizes)) < MIN_SIZES or len(np.unique(sizes)) < len(sizes) or sizes.min(initial=1) <= 0:
        problems.append(
            f"the sizes are {', '.join(f'{size:g}' for size in sizes)}; at least {MIN_SIZES} distinct positive ones "
            "are needed to fit three numbers"
        )
    if problems:
        raise DataError("the scaling law", problems)
    order = np.argsort(sizes)
    sizes, losses = sizes[order], losses[:, order]
    mean = losses.mean(axis=0)
    ((a, b, c),) = _fit(sizes, mean[None])
    if a * (sizes[0] ** -b - sizes[-1] ** -b) <= ROUNDING * np.abs(mean).max():
        raise DataError(
            "the scaling law",
            [f"the mean loss does not fall with the number of questions ({mean[0]:.4f} to {mean[-1]:.4f}): no law"],
        )
    misfit = c + a * sizes**-b - mean
    resampled = np.empty((0, 3))
    if len(losses) >= MIN_SEEDS:
        generator = np.random.default_rng(seed)
        drawn = generator.integers(len(losses), size=(resamples, len(losses)))
        signs = generator.choice([-1.0, 1.0], size=(resamples, len(sizes)))
        # Three numbers were fitted: the misfit seen is smaller than the misfit there is.
        spread = misfit * np.sqrt(len(sizes) / (len(sizes) - 3))
        resampled = _fit(sizes, losses[drawn].mean(axis=1) + misfit + signs * spread)
    residual = float(np.sqrt(np.square(misfit).mean()))
    return ScalingLaw(float(a), float(b), float(c), sizes, residual, resampled, confidence, len(losses))


def _fit(sizes: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """a, b, c of each row of `losses` (curves, sizes): float64 of shape (curves, 3)."""
    explained = _explained(EXPONENTS[None, :], sizes, losses)
    best = explained.argmax(axis=1)
    # Golden-section search between the grid's neighbours, of all curves at once.
    low, high = EXPONENTS[np.maximum(best - 1, 0)], EXPONENTS[np.minimum(best + 1, len(EXPONENTS) - 1)]
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(40):
        left, right = high - golden * (high - low), low + golden * (high - low)
        pair = _explained(np.stack([left, right], axis=1), sizes, losses)
        keep_left = pair[:, 0] > pair[:, 1]
        low, high = np.where(keep_left, low, left), np.where(keep_left, right, high)
    at_end = (best == 0) | (best == len(EXPONENTS) - 1)
    b = np.where(at_end, EXPONENTS[best], (low + high) / 2)
    falling = _centred(sizes[None, :] ** -b[:, None])
    a = (falling * losses).sum(axis=1) / np.square(falling).sum(axis=1)
    c = losses.mean(axis=1) - a * (sizes[None, :] ** -b[:, None]).mean(axis=1)
    return np.stack([a, b, c], axis=1)


def _explained(exponents: np.ndarray, sizes: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Sum of squares explained by n^-b beside a constant: exponents (curves or 1, tried) -> (curves, tried)."""
    falling = _centred(sizes ** -exponents[:, :, None])
    unit = falling / np.sqrt(np.square(falling).sum(axis=-1, keepdims=True))
    # Only a falling law counts: a negative product means a < 0.
    products = np.einsum("cts,cs->ct", np.broadcast_to(unit, (len(losses), *unit.shape[1:])), losses)
    return np.sign(products) * np.square(products)


def _centred(values: np.ndarray) -> np.ndarray:
    return np.asarray(values - values.mean(axis=-1, keepdims=True))


def _within(laws: np.ndarray, margin: float, full: float) -> np.ndarray:
    """Number of questions per law (3, laws): where a n^-b = a full^-b + margin."""
    a, b, _ = laws
    # A curve without a fall is within any margin from the first question on.
    falling = np.maximum(a, np.finfo(np.float64).tiny)
    return np.asarray(np.clip((full**-b + margin / falling) ** (-1 / b), 1.0, full))
