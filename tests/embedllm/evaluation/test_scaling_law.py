import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from embedllm.errors import DataError
from embedllm.evaluation.scaling_law import fit_scaling_law

SIZES = np.array([1000, 5000, 10000, 15000, 20000, 25000, 29000], dtype=float)


def law(n, a, b, c):
    return c + a * n**-b


def noisy(seeds=5, sd=0.0005, a=2.0, b=0.5, c=0.26):
    return law(SIZES, a, b, c) + sd * np.random.default_rng(0).normal(size=(seeds, len(SIZES)))


@settings(max_examples=40, deadline=None)
@given(st.floats(0.1, 5), st.floats(0.1, 1.5), st.floats(0, 0.7))
def test_an_exact_law_is_found(a, b, c):
    fitted = fit_scaling_law(SIZES, law(SIZES, a, b, c)[None])
    assert fitted.b == pytest.approx(b, rel=1e-3)
    np.testing.assert_allclose(fitted.predict(SIZES), law(SIZES, a, b, c), atol=1e-6)
    assert fitted.residual < 1e-6
    assert fitted.exponent_found


def test_the_fit_is_least_squares():
    losses = noisy()
    (a, b, c), _ = curve_fit(law, SIZES, losses.mean(axis=0), p0=(1, 0.5, 0.2), maxfev=20000)
    fitted = fit_scaling_law(SIZES, losses)
    assert [fitted.a, fitted.b, fitted.c] == pytest.approx([a, b, c], rel=1e-4)


def test_order_of_sizes_does_not_matter():
    losses = noisy()
    order = np.random.default_rng(1).permutation(len(SIZES))
    first, second = fit_scaling_law(SIZES, losses), fit_scaling_law(SIZES[order], losses[:, order])
    assert (first.a, first.b, first.c) == (second.a, second.b, second.c)
    np.testing.assert_array_equal(first.resampled, second.resampled)


def test_resampled_fits_are_fits_of_resampled_seeds_and_misfits():
    losses = noisy()
    fitted = fit_scaling_law(SIZES, losses, resamples=3, seed=4)
    generator = np.random.default_rng(4)
    drawn, signs = generator.integers(5, size=(3, 5)), generator.choice([-1.0, 1.0], size=(3, 7))
    misfit = fitted.predict(SIZES) - losses.mean(axis=0)
    for row, seeds in enumerate(drawn):
        means = losses[seeds].mean(axis=0) + misfit + signs[row] * misfit * np.sqrt(7 / 4)
        alone = fit_scaling_law(SIZES, means[None])
        np.testing.assert_allclose(fitted.resampled[row], [alone.a, alone.b, alone.c], rtol=1e-6)


def test_a_curve_that_is_no_power_law_gets_wide_intervals():
    steps = np.repeat([[0.34, 0.31, 0.31, 0.31, 0.30, 0.30, 0.30]], 5, axis=0)  # all seeds agree
    low, high = fit_scaling_law(SIZES, steps).interval("c")
    assert high - low > 0.005


def test_intervals_hold_the_truth_most_of_the_time():
    inside = []
    for trial in range(60):
        losses = law(SIZES, 2.0, 0.5, 0.26) + 0.001 * np.random.default_rng(trial).normal(size=(8, len(SIZES)))
        low, high = fit_scaling_law(SIZES, losses, resamples=200).interval("c")
        inside.append(low <= 0.26 <= high)
    assert np.mean(inside) > 0.9


def test_questions_within_a_margin_by_hand():
    fitted = fit_scaling_law(SIZES, noisy(sd=0))
    number, low, high = fitted.questions_within(0.005)
    assert law(number, 2.0, 0.5, 0.26) == pytest.approx(law(29000, 2.0, 0.5, 0.26) + 0.005, abs=1e-6)
    assert low == pytest.approx(high) == pytest.approx(number)
    assert fitted.questions_within(1.0)[0] < 10
    assert fitted.questions_within(1e-9)[0] == pytest.approx(29000, rel=1e-3)
    wide = fit_scaling_law(SIZES, noisy(sd=0.003)).questions_within(0.005)
    assert wide[1] < wide[0] < wide[2] <= 29000


def test_the_band_holds_the_curve_and_is_wider_beyond_the_data():
    fitted = fit_scaling_law(SIZES, noisy(sd=0.002))
    low, high = fitted.band(np.array([10000.0, 300000.0]))
    curve = fitted.predict(np.array([10000.0, 300000.0]))
    assert ((low < curve) & (curve < high)).all()
    assert high[1] - low[1] > high[0] - low[0]


def test_two_seeds_give_a_fit_without_an_interval():
    fitted = fit_scaling_law(SIZES, noisy(seeds=2))
    assert np.isfinite(fitted.c)
    assert np.isnan(fitted.interval("c")).all()
    assert np.isnan(fitted.questions_within(0.005)[1:]).all()
    assert np.isnan(fitted.band(SIZES)).all()


def test_points_without_a_power_law_say_so():
    fall_at_once = np.where(SIZES == 1000, 0.4, 0.3)[None]  # steeper than any exponent tried
    assert not fit_scaling_law(SIZES, fall_at_once).exponent_found


def test_refusals_are_told():
    with pytest.raises(DataError, match="1000, 5000, 10000; at least 4 distinct positive ones are needed to fit three"):
        fit_scaling_law(SIZES[:3], noisy()[:, :3])
    with pytest.raises(DataError, match="at least 4 distinct"):
        fit_scaling_law(np.array([1000.0, 1000, 2000, 3000]), noisy()[:, :4])
    with pytest.raises(DataError, match=r"must be \(seeds, sizes\) for sizes of \(7,\)"):
        fit_scaling_law(SIZES, noisy()[:, :3])
    broken = noisy()
    broken[0, 0] = np.nan
    with pytest.raises(DataError, match="1 losses are not finite numbers"):
        fit_scaling_law(SIZES, broken)
    with pytest.raises(DataError, match=r"does not fall with the number of questions \(0\.2\d+ to 0\.3\d+\): no law"):
        fit_scaling_law(SIZES, noisy()[:, ::-1])
    with pytest.raises(DataError, match="does not fall"):
        fit_scaling_law(SIZES, np.full((5, 7), 0.3))
