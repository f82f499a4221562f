"""Tables, sentences and figures of the held-out design from results with a planted truth."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from ablations.cell import Cell
from ablations.designs.held_out import HeldOutBenchmark
from ablations.held_out.cells import held_out_cells
from ablations.held_out.forecasts import _compare
from ablations.held_out.questions import AGAINST, LEAVING_OUT
from embedllm.data import CorrectnessMatrix
from embedllm.figures import METHOD_MARKERS
from embedllm.forecasting import Forecast, benchmark_accuracies, forecast_each
from tests.ablations import made
from tests.ablations.made import MadeResults, small

CONFIG = made.CONFIG.replace(seeds=3)
DESIGN = HeldOutBenchmark(repeats=20)


@pytest.fixture(scope="module")
def data() -> CorrectnessMatrix:
    data = small(models=40, questions=450)
    skill = np.linspace(0.1, 0.9, 40)[:, None]
    generator = np.random.default_rng(1)
    # b0 and b1 test one skill; b2 has nothing to do with it
    chance = np.where(data.benchmarks == "b2", generator.permutation(skill), skill)
    correct = (generator.random(data.correct.shape) < chance).astype(np.uint8)
    return CorrectnessMatrix(correct, data.attempts, data.questions, data.models)


def metric_of(data: CorrectnessMatrix, cell: Cell, questions: np.ndarray) -> np.ndarray:
    """EmbedLLM loses 0.2 on b0 where it is left out; everything else is the question's luck, the same for all."""
    luck = np.random.default_rng(7).normal(0.7, 0.1, data.num_questions)[questions]
    noise = np.random.default_rng([cell.config.seed, len(questions)]).normal(0, 0.02, len(questions))
    lost = 0.2 * ((cell.method == "embedllm") & (cell.factors["held_out"] == "b0"))
    return luck + noise - lost * (data.benchmarks[questions] == "b0")


def skill_embedding(data: CorrectnessMatrix, cell: Cell) -> np.ndarray:
    """A noisy skill that only questions of b0 and b1 give away, the more clearly the more of them there are."""
    left_out = str(cell.factors["held_out"]).split(" + ")
    generator = np.random.default_rng([cell.config.seed, *map(ord, "".join(left_out))])
    noise = {0: 0.03, 1: 0.06, 2: 5.0}[sum(name in ("b0", "b1") for name in left_out)]
    skill = np.linspace(0.1, 0.9, data.num_models) + generator.normal(0, noise, data.num_models)
    return np.stack([skill, generator.normal(size=data.num_models)], axis=1).astype(np.float32)


def embedding_of(data: CorrectnessMatrix) -> Callable[[Cell], np.ndarray]:
    return lambda cell: skill_embedding(data, cell)


@pytest.fixture(scope="module")
def tables(data: CorrectnessMatrix) -> dict[str, pd.DataFrame]:

    plan = DESIGN.plan(data, CONFIG)
    results = MadeResults(
        plan,
        metric=lambda cell, questions: metric_of(data, cell, questions),
        embedding=lambda cell: skill_embedding(data, cell),
        function=lambda cell: skill_embedding(data, cell),
    )
    return DESIGN.tables(results, data, CONFIG)


def test_differences_are_paired_on_the_same_questions(tables: dict[str, pd.DataFrame], data: CorrectnessMatrix) -> None:
    frame = tables["differences"]
    frame = frame[(frame["metric"] == "accuracy") & (frame["comparison"] == LEAVING_OUT)]
    embedllm = frame[frame["method"] == "embedllm"].set_index("benchmark")
    assert embedllm.loc["b0", "difference"] == pytest.approx(-0.2, abs=0.02)
    assert embedllm.loc["b0", "holm"] < 0.01
    assert (embedllm.loc[["b1", "b2"], "holm"] > 0.05).all()
    assert embedllm.loc["b0", "seeds"] == 3
    base = CONFIG.base_split(data)
    assert embedllm.loc["b0", "questions"] == (data.benchmarks[base.test] == "b0").sum()
    assert "lookup" not in set(frame["method"])
    against = tables["differences"].query("comparison == @AGAINST and metric == 'accuracy' and benchmark == 'b0'")
    assert (against["difference"] < -0.15).all()
    assert AGAINST in set(tables["differences"]["comparison"])


def test_values_hold_every_method_with_and_without(tables: dict[str, pd.DataFrame]) -> None:
    frame = tables["questions"].query("metric == 'log_loss' and benchmark == 'b1'")
    found = set(zip(frame["method"], frame["trained"], strict=True))
    assert ("lookup", "with") in found
    assert ("lookup", "without") not in found
    assert {("embedllm", "with"), ("embedllm", "without"), ("knn", "without"), ("logistic", "without")} <= found
    assert frame["low"].lt(frame["high"]).all()


def test_a_benchmark_with_the_shared_skill_is_forecast_and_one_with_its_own_is_not(
    tables: dict[str, pd.DataFrame],
) -> None:
    frame = tables["forecast"].query("features == 'embedding' and regression == 'ridge'").set_index("benchmark")
    assert frame.loc["b0", "significant"] > 15
    assert frame.loc["b0", "null_holm"] < 0.05
    assert frame.loc["b2", "significant"] < 5
    assert frame.loc["b2", "null_holm"] > 0.05
    assert frame.loc["b0", "tau_median"] > 0.6
    assert (tables["forecast_models"]["times_tested"] > 0).all()


def forecasts_with(errors: list[float]) -> list[Forecast]:
    """A forecast per seed; its squared errors vary from split to split around the one given."""
    generator = np.random.default_rng(len(errors))
    [made] = forecast_each(generator.normal(size=(40, 2)), generator.random(40), [0.0], repeats=20)
    return [dataclasses.replace(made, mse=error + generator.normal(0, 0.001, 20)) for error in errors]


def test_comparisons_of_forecasts_hold_the_luck_of_training() -> None:
    baseline = forecasts_with([0.02, 0.02])[1]
    alone = _compare(forecasts_with([0.03]), [baseline])
    agree = _compare(forecasts_with([0.03, 0.03, 0.03]), [baseline])
    disagree = _compare(forecasts_with([0.01, 0.03, 0.05]), [baseline])
    assert [one["seeds"] for one in (alone, agree, disagree)] == [1, 3, 3]
    assert all(one["difference"] == pytest.approx(0.01, abs=0.001) for one in (alone, agree, disagree))
    assert alone["p"] < 0.001  # type: ignore[operator]
    assert agree["p"] < 0.001  # type: ignore[operator]
    assert disagree["p"] > 0.3  # type: ignore[operator]
    assert disagree["low"] < 0 < disagree["high"]  # type: ignore[operator]


def test_contributions_find_who_helps(tables: dict[str, pd.DataFrame]) -> None:
    frame = tables["contributions"].query("regression == 'ridge'").set_index(["contributor", "target"])
    assert len(frame) == 6
    assert frame.loc[("b1", "b0"), "low"] > 0
    assert not frame.loc[("b2", "b0"), "low"] > 0


def test_findings_claim_what_was_planted_and_no_more(tables: dict[str, pd.DataFrame]) -> None:
    found = DESIGN.findings(tables)
    (cost,) = [line for line in found if line.startswith("**Leaving a benchmark out significantly")]
    assert "significantly lowers EmbedLLM's accuracy on 1 of 3 benchmarks and raises its log-loss on " in cost
    assert "Accuracy: b0 -2" in cost
    (ridge,) = [line for line in found if line.startswith("**Ridge regression on the embedding")]
    assert "better than chance for 2 of 3 benchmarks, not distinguishable from chance for b2.**" in ridge
    assert any("would by chance" in line for line in found)
    caveats = " ".join(DESIGN.caveats(tables))
    assert "Few test questions: b0 (15), b1 (15), b2 (15)" in caveats
    assert "overlap" in caveats


def test_a_difference_that_seeds_do_not_agree_on_is_not_claimed() -> None:
    data = small(models=8, questions=450)

    def metric(cell: Cell, questions: np.ndarray) -> np.ndarray:
        # Where b1 is left out two of three seeds lose much and one gains: resampled questions alone would be sure.
        swing = {0: 0.3, 1: 0.25, 2: -0.05}[cell.config.seed] if cell.method == "embedllm" else 0.0
        return metric_of(data, cell, questions) - swing * (cell.factors["held_out"] == "b1")

    tables = DESIGN.tables(MadeResults(DESIGN.plan(data, CONFIG), metric=metric), data, CONFIG)
    frame = tables["differences"].query("comparison == @LEAVING_OUT and metric == 'accuracy' and method == 'embedllm'")
    frame = frame.set_index("benchmark")
    assert frame["sure"].to_dict() == {"b0": True, "b1": False, "b2": False}
    assert frame.loc["b1", "seed_holm"] > 0.05
    (cost,) = [line for line in DESIGN.findings(tables) if line.startswith("**Leaving a benchmark out significantly")]
    assert "lowers EmbedLLM's accuracy on 1 of 3 benchmarks" in cost
    assert "Holm-adjusted p < 0.05 both over questions and over seeds" in cost
    drawn = DESIGN.draw(tables)[1]
    assert "also by the paired t test over seeds" in drawn.caption
    filled = [
        line
        for line in drawn.figure.axes[0].get_lines()
        if line.get_marker() == METHOD_MARKERS["embedllm"] and line.get_markerfacecolor() != "white"
    ]
    assert sum(len(line.get_xdata()) for line in filled) == 1
    # Methods without chance have no seeds that could disagree.
    assert tables["differences"].query("comparison == @LEAVING_OUT and method == 'knn'")["seed_p"].isna().all()


def test_one_seed_claims_no_more_than_the_luck_of_questions(data: CorrectnessMatrix) -> None:
    config, design = CONFIG.replace(seeds=1), HeldOutBenchmark(repeats=4, contribution=False)
    plan = design.plan(data, config)
    assert plan.notes[-1] == "With one seed training variance is not measured; use --seeds 5 or more."
    results = MadeResults(
        plan,
        metric=lambda cell, questions: metric_of(data, cell, questions),
        embedding=embedding_of(data),
        function=embedding_of(data),
    )
    tables = design.tables(results, data, config)
    found = design.findings(tables)
    (cost,) = [line for line in found if line.startswith("**Leaving a benchmark out significantly")]
    assert "significantly lowers EmbedLLM's accuracy on 1 of 3 benchmarks" in cost
    assert "(one seed: training variance is not included).**" in cost
    (compared,) = [line for line in found if line.startswith("**The forecasts' squared error")]
    assert "(one seed: training variance is not included).**" in compared
    caveats = " ".join(design.caveats(tables))
    assert "With one seed, no interval or p-value here includes training variance" in caveats
    assert "percentile intervals over resamples of questions," in caveats
    assert not any(
        "joint resamples" in drawing.caption or "1 seeds" in drawing.caption for drawing in design.draw(tables)
    )


def test_every_figure_is_drawn_from_the_tables(tables: dict[str, pd.DataFrame]) -> None:
    drawn = {drawing.name: drawing for drawing in DESIGN.draw(tables)}
    wanted = ["questions", "differences", "forecast", "forecast_models", "contributions_linear", "contributions_ridge"]
    assert list(drawn) == wanted
    assert all(len(drawing.table) and drawing.caption for drawing in drawn.values())
    marks = [text.get_text() for text in drawn["contributions_ridge"].figure.axes[0].texts]
    sure = tables["contributions"].query("regression == 'ridge' and (low > 0 or high < 0)")
    assert sum("*" in mark for mark in marks) == len(sure)
    for drawing in drawn.values():
        drawing.figure.draw_without_rendering()


def test_figures_show_as_many_benchmarks_as_there_is_room_for_and_say_so(
    tables: dict[str, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {drawing.name: drawing for drawing in DESIGN.draw(tables)}
    assert not any("Shown are" in drawing.caption for drawing in whole.values())
    for module in ("held_out", "held_out_forecasts"):
        monkeypatch.setattr(f"ablations.plots.{module}.MOST_SHOWN", 2)
    drawn = {drawing.name: drawing for drawing in DESIGN.draw(tables)}
    for name, drawing in drawn.items():
        pd.testing.assert_frame_equal(drawing.table, whole[name].table)
        assert ("Shown are" in drawing.caption) == (not name.startswith("contributions"))
    for name in ("questions", "differences"):
        assert "2 of 3 benchmarks with most test questions" in drawn[name].caption
    assert len(drawn["questions"].figure.axes[-1].get_xticklabels()) == 2
    assert len(drawn["forecast"].figure.axes[0].get_yticklabels()) == 2
    assert len(drawn["forecast_models"].figure.axes) == 2


def test_a_large_contribution_matrix_has_marks_and_no_numbers(
    tables: dict[str, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablations.plots.held_out_forecasts.MOST_NUMBERED", 2)
    drawn = next(drawing for drawing in DESIGN.draw(tables) if drawing.name == "contributions_ridge")
    assert {text.get_text() for text in drawn.figure.axes[0].texts} <= {"", "*", "**"}
    assert "The numbers are in the table" in drawn.caption


def test_failed_cells_are_left_out_of_pairs(data: CorrectnessMatrix) -> None:

    cells = held_out_cells(data, CONFIG, None, True)
    plan = cells.plan()
    lost = [
        cells.with_it["embedllm"][0].key,
        cells.with_it["knn"][0].key,
        cells.removed[frozenset({"b0", "b1"})][1].key,
    ]
    results = MadeResults(
        plan,
        metric=lambda cell, questions: metric_of(data, cell, questions),
        embedding=lambda cell: skill_embedding(data, cell),
        function=lambda cell: skill_embedding(data, cell),
        failed=tuple(lost),
    )
    tables = DESIGN.tables(results, data, CONFIG)
    frame = tables["differences"].query("comparison == @LEAVING_OUT and metric == 'accuracy' and benchmark == 'b1'")
    assert frame.set_index("method").loc["embedllm", "seeds"] == 2
    assert "knn" not in set(frame["method"])
    assert (tables["contributions"]["seeds"] == 2).all()


def results_of(data: CorrectnessMatrix, design: HeldOutBenchmark = DESIGN) -> MadeResults:
    return MadeResults(
        design.plan(data, CONFIG),
        metric=lambda cell, questions: metric_of(data, cell, questions),
        embedding=lambda cell: skill_embedding(data, cell),
        function=lambda cell: skill_embedding(data, cell),
    )


def test_a_benchmark_that_too_few_models_answered_leaves_the_rest_of_the_tables() -> None:
    data = small(models=12, benchmarks=4, questions=600)
    data.attempts[0, data.benchmarks == "b1"] = 0
    data.correct[0, data.benchmarks == "b1"] = 0
    tables = DESIGN.tables(results_of(data), data, CONFIG)
    assert set(tables["questions"]["benchmark"]) == {"b0", "b1", "b2", "b3"}
    assert set(tables["forecast"]["benchmark"]) == set(tables["forecast_models"]["benchmark"]) == {"b0", "b2", "b3"}
    assert set(tables["contributions"]["contributor"]) == set(tables["contributions"]["target"]) == {"b0", "b2", "b3"}
    assert len(DESIGN.draw(tables)) == 6


def test_a_model_that_training_never_saw_is_not_forecast(data: CorrectnessMatrix) -> None:
    attempts = data.attempts.copy()
    attempts[7, data.benchmarks != "b0"] = 0
    only_b0 = CorrectnessMatrix(data.correct * attempts, attempts, data.questions, data.models)
    tables = DESIGN.tables(results_of(only_b0), only_b0, CONFIG)
    frame = tables["forecast"].set_index("benchmark")
    models = tables["forecast_models"]
    assert data.model_names[7] not in set(models[models["benchmark"] == "b0"]["model"])
    assert (frame["train_models"] + frame["test_models"] == 39).all()
    # Elsewhere the model has a label to train on, and none to forecast.
    assert frame.loc["b0", "notes"].str.startswith("1 of 40 models have no graded answer to a training question").all()
    assert (frame.loc["b1", "notes"] == "1 of 40 models have no graded answer on the benchmark and are left out").all()
    assert any("so that nothing was learned about them" in line for line in DESIGN.caveats(tables))
    assert np.isfinite(tables["contributions"]["contribution"]).all()


def test_too_few_test_questions_everywhere_are_told() -> None:
    data = small(models=8, questions=150)
    tables = DESIGN.tables(results_of(data), data, CONFIG)
    (only,) = DESIGN.findings(tables)
    assert only == (
        "**Predictions on held-out benchmarks are not tested: each has fewer than 10 test questions.** "
        "(n = 5 test questions each, 3 seeds.)"
    )
    assert DESIGN.caveats(tables) == [
        "Few test questions: b0 (5), b1 (5), b2 (5). With fewer than 10 there is no interval."
    ]
    bars, differences = (drawing.caption for drawing in DESIGN.draw(tables))
    assert "(filled); 5 questions per benchmark" in bars
    for caption in (bars, differences):
        assert "No intervals: each benchmark has fewer than 10 test questions" in caption
        assert "percentile" not in caption
    assert "all marks are open" in differences


def test_panels_without_any_difference_are_not_magnified(tables: dict[str, pd.DataFrame]) -> None:
    flat = tables["differences"].copy()
    flat.loc[flat["metric"] == "accuracy", ["difference", "low", "high"]] = 1e-17
    axes = DESIGN.draw(dict(tables) | {"differences": flat})[1].figure.axes
    assert axes[0].get_xlim() == axes[3].get_xlim() == (-1, 1)
    assert axes[1].get_xlim() != (-0.01, 0.01)


def test_captions_describe_the_intervals_that_are_drawn(tables: dict[str, pd.DataFrame]) -> None:
    assert not any("not tested" in line for line in DESIGN.findings(tables))
    for drawing in DESIGN.draw(tables)[:2]:
        assert "95 % percentile interval" in drawing.caption
        assert "No intervals" not in drawing.caption


def test_counts_that_are_all_the_same_are_said_once(tables: dict[str, pd.DataFrame]) -> None:
    (mixed,) = [line for line in DESIGN.findings(tables) if line.startswith("**Ridge regression on the embedding")]
    assert " for the median benchmark; median τ " in mixed
    same = tables["forecast"].assign(significant=20.0, tau_median=0.5)
    (ridge,) = [
        line
        for line in DESIGN.findings(dict(tables) | {"forecast": same})
        if line.startswith("**Ridge regression on the embedding")
    ]
    assert ridge.endswith("significant in 20 of 20 splits of the models for every benchmark; median τ 0.50.")
    undefined = same.assign(tau_median=np.nan)
    assert any("median τ not defined." in line for line in DESIGN.findings(dict(tables) | {"forecast": undefined}))


def test_contributions_that_hold_are_listed_with_their_numbers(tables: dict[str, pd.DataFrame]) -> None:
    rows = tables["contributions"].query("regression == 'ridge'").reset_index(drop=True)

    def told(holding: int, seeds: int) -> str:
        changed = rows.assign(
            p_adjusted=[0.01] * holding + [0.5] * (6 - holding),
            contribution=np.linspace(6, 1, 6),
            low=[0.5] * holding + [-1.0] * (6 - holding),
            high=9.0,
            seeds=seeds,
        )
        (line,) = [one for one in DESIGN.findings(dict(tables) | {"contributions": changed}) if "Contributions" in one]
        return line

    assert "1 helps and 0 hurt after Holm adjustment.** This is: " in told(1, 5)
    assert "1 unadjusted interval excludes zero" in told(1, 5)
    assert "6 help and 0 hurt after Holm adjustment.** These are: b0 → b1 +6.00 [+0.50, +9.00], " in told(6, 5)
    assert "and 2 more, each smaller. 6 unadjusted intervals exclude zero" in told(6, 5)
    assert "are: " not in told(0, 5)
    assert told(0, 2).endswith("With 2 seeds hardly anything can be claimed here; use --seeds 5 or more.")
    assert "hardly" not in told(0, 5)
    assert "hardly" not in told(0, 1)


def test_comparisons_of_forecasts_say_what_they_are_adjusted_over(tables: dict[str, pd.DataFrame]) -> None:
    (line,) = [one for one in DESIGN.findings(tables) if one.startswith("**The forecasts' squared error")]
    assert (
        "(Holm-adjusted p < 0.05, over splits and 3 seeds together and by t test over seeds; the adjustment is over "
        "the benchmarks within each of the 12 combinations of features, baseline and regression)." in line
    )
    assert "With 3 seeds hardly anything can be claimed here" in line
    assert any("With 3 seeds hardly any difference can pass" in one for one in DESIGN.caveats(tables))


def test_what_luck_alone_gives_is_no_whole_number_where_it_is_small(tables: dict[str, pd.DataFrame]) -> None:
    assert any("about 0.3 would by chance" in line for line in DESIGN.findings(tables))
    many = pd.concat([tables["contributions"]] * 40, ignore_index=True)
    assert any("about 12 would by chance" in line for line in DESIGN.findings(dict(tables) | {"contributions": many}))


def test_long_names_leave_room_for_the_panels(tables: dict[str, pd.DataFrame]) -> None:
    long = {f"b{number}": f"a benchmark {'with a name that goes on ' * 3}{number}" for number in range(3)}
    renamed = {name: frame.replace(long) for name, frame in tables.items()}
    for drawing in DESIGN.draw(renamed):
        drawing.figure.draw_without_rendering()
        first = drawing.figure.axes[0].get_window_extent()
        assert first.width > 0.2 * drawing.figure.bbox.width, drawing.name
        assert first.height > 0.15 * drawing.figure.bbox.height, drawing.name


def test_titles_of_four_panels_side_by_side_do_not_run_into_each_other(tables: dict[str, pd.DataFrame]) -> None:
    long = {f"b{number}": f"a benchmark {'with a name that goes on ' * 3}{number}" for number in range(4)}
    four = dict(tables)
    for name in ("forecast", "forecast_models"):
        fourth = tables[name].query("benchmark == 'b0'").assign(benchmark="b3")
        four[name] = pd.concat([tables[name], fourth], ignore_index=True).replace(long)
    (figure,) = [drawing.figure for drawing in DESIGN.draw(four) if drawing.name == "forecast_models"]
    figure.draw_without_rendering()
    starts = [axis.get_window_extent().x0 for axis in figure.axes[1:]]
    for axis, limit in zip(figure.axes, [*starts, figure.bbox.width], strict=True):
        assert axis.get_tightbbox().x1 <= limit


def test_too_few_models_leave_the_question_tables(data: CorrectnessMatrix) -> None:

    few = small(models=8, questions=300)
    plan = DESIGN.plan(few, CONFIG)
    results = MadeResults(plan, metric=lambda cell, questions: metric_of(few, cell, questions))
    tables = DESIGN.tables(results, few, CONFIG)
    assert not len(tables["forecast"])
    assert not len(tables["contributions"])
    assert [drawing.name for drawing in DESIGN.draw(tables)] == ["questions", "differences"]
    assert DESIGN.findings(tables)
    assert DESIGN.caveats(tables)


def test_a_benchmark_that_all_models_solve_has_no_order_to_forecast(data: CorrectnessMatrix) -> None:

    correct = data.correct.copy()
    correct[:, data.benchmarks == "b2"] = 1
    flat = CorrectnessMatrix(correct, data.attempts, data.questions, data.models)
    assert set(benchmark_accuracies(flat)[0][:, 2]) == {1.0}
    plan = DESIGN.plan(flat, CONFIG)
    results = MadeResults(
        plan,
        metric=lambda cell, questions: metric_of(flat, cell, questions),
        embedding=lambda cell: skill_embedding(flat, cell),
        function=lambda cell: skill_embedding(flat, cell),
    )
    tables = DESIGN.tables(results, flat, CONFIG)
    row = tables["forecast"].query("benchmark == 'b2' and features == 'embedding'").iloc[0]
    assert row["significant"] == 0
    assert "same accuracy: there is no order to forecast" in row["notes"]
    assert any("b2: " in line and "no order" in line for line in DESIGN.caveats(tables))
    assert any("not distinguishable from chance for b2" in line for line in DESIGN.findings(tables))
    drawn = {drawing.name: drawing for drawing in DESIGN.draw(tables)}
    for drawing in drawn.values():
        drawing.figure.draw_without_rendering()
    panels = [text.get_text() for axis in drawn["forecast_models"].figure.axes for text in axis.texts]
    assert any(text.startswith("τ not defined, 0/") for text in panels)
    assert not any("nan" in text for text in panels)
    assert "Where nothing can be forecast, the points slope slightly downwards" in drawn["forecast_models"].caption
