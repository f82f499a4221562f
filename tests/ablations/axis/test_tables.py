import re

import numpy as np
import pandas as pd
import pytest

from ablations.axis.wording import caveats, findings


def row_of(tables, label, metric="log_loss"):
    return tables["effect"].query("label == @label and metric == @metric").iloc[0]


def test_effects_are_paired_differences_to_the_centre(tables, design, pool, config, make_results):
    row = row_of(tables, "8")
    assert row["difference"] == pytest.approx(0.03, abs=0.001)
    assert row["high"] - row["low"] < 0.01  # though seeds alone differ by 0.05
    assert row["seeds"] == 5
    assert row["questions"] == 80
    assert row_of(tables, "8", "accuracy")["difference"] == pytest.approx(-0.03, abs=0.001)


def test_verdicts(tables):
    assert row_of(tables, "8")["verdict"] == "worse"
    assert row_of(tables, "8", "accuracy")["verdict"] == "worse"
    assert row_of(tables, "lsa:16")["verdict"] == "better"
    assert row_of(tables, "64")["verdict"] == "not distinguishable"


def test_a_difference_of_these_questions_only_is_no_better(design, pool, config, make_results):
    """All seeds agree, but questions disagree widely."""
    plan = design.plan(pool, config)
    results = make_results(plan, lambda axis, recipe: 0.02 * (recipe.embedding_dim == 64), own_noise=0.5)
    tables = design.tables(results, pool, config)
    assert row_of(tables, "64")["verdict"] == "these questions"
    [text] = [one for one in findings(tables) if one.startswith("**Dimension, by log-loss")]
    assert "none of 8, 64 is distinguishable from 232" in text
    assert "64 significant over seeds, perhaps on these questions only (-" in text
    assert " better than" not in text


def test_p_values_are_adjusted_over_all_axes_of_a_metric(tables):
    rows = tables["effect"].query("metric == 'accuracy'")
    assert len(rows) == 3
    smallest = rows.loc[rows["p_value"].idxmin()]
    assert smallest["p_adjusted"] == pytest.approx(3 * smallest["p_value"])


def test_pure_noise_is_hardly_ever_called_a_difference(design, pool, config, make_results):
    plan, claimed = design.plan(pool, config), 0
    for trial in range(6):
        results = make_results(plan, lambda *_: 0.0, seed_noise=0.01, own_noise=0.05, draw=trial)
        verdicts = design.tables(results, pool, config)["effect"]["verdict"]
        claimed += verdicts.isin(["better", "worse"]).sum()
    assert claimed == 0


def test_levels_hold_the_centre_in_its_place(tables):
    rows = tables["level"].query("axis == 'embedding_dim'")
    assert rows["label"].tolist() == ["8", "64", "232"]
    assert rows["centre"].tolist() == [False, False, True]
    assert tables["level"].query("axis == 'encoder'")["label"].tolist() == ["lsa", "lsa:16"]
    assert rows["log_loss_sd"].notna().all()


def test_one_seed_claims_nothing(design, pool, config, make_results):
    single = config.replace(seeds=1)
    results = make_results(design.plan(pool, single), lambda axis, recipe: 0.5 * (recipe.embedding_dim == 8))
    tables = design.tables(results, pool, single)
    assert set(tables["effect"]["verdict"]) == {"one seed"}
    text = findings(tables)[0]
    assert text.startswith(
        "**Dimension: with one seed no difference can be distinguished from chance.** Log-loss: all not tested ("
    )


def test_seeds_that_differ_alike_are_no_certainty(design, pool, config, make_results):
    results = make_results(design.plan(pool, config), lambda *_: 0.0)
    frame = results.frame
    for metric in ("accuracy", "log_loss", "routing_micro"):
        frame[metric] = 0.5 + 0.05 * (frame["encoder"] == "lsa:16")
    tables = design.tables(results, pool, config)
    of_encoder = tables["effect"].query("axis == 'encoder'")
    assert of_encoder["p_value"].isna().all()
    assert set(of_encoder["verdict"]) == {"not distinguishable"}


def test_failed_values_are_missing_and_told(design, pool, config, make_results):
    results = make_results(design.plan(pool, config), lambda *_: 0.0)
    broken = results.frame["encoder"] == "lsa:16"
    results.frame.loc[broken, ["state", "reason"]] = ["FAIL", "too wide"]
    tables = design.tables(results, pool, config)
    assert set(tables["effect"]["axis"]) == {"embedding_dim"}
    assert caveats(tables)[-1] == "5 cells failed and are missing: too wide."


def test_findings_carry_numbers_and_kinds_of_intervals(tables):
    text = findings(tables)[0]
    assert text.startswith(
        "**Dimension, by log-loss: 8 is worse than 232; 64 is not distinguishable from it; no value has a better "
        "mean.** Log-loss: 8 worse (+0.0"
    )
    assert re.search(
        r"; 64 not distinguishable \([+-]0\.\d{4} \[-0\.\d{4}, \+0\.\d{4}\]\)\. Accuracy: 8 worse \(-", text
    )
    assert " points [" in text
    assert any("bootstrap interval over the 80 test questions and 5 seeds" in one for one in caveats(tables))


def test_caveats_say_what_must_not_be_concluded(tables):
    told = " ".join(caveats(tables))
    assert "3 values are compared with the centre on each metric" in told
    assert "Finding no difference does not show that there is none" in told
    assert "232, is not below the 6 models" in told
    assert "The data is simulated" in told


def test_tables_survive_parquet(tables, tmp_path):
    for name, frame in tables.items():
        frame.to_parquet(tmp_path / name)
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / name), frame)


def test_the_figure_shows_every_value_and_names_its_bars(tables, design, tmp_path):
    [drawing] = design.draw(tables)
    assert len(drawing.figure.axes) == 3 * 2
    assert "Dark bars: 95 % t interval over seeds; light bars: 95 % bootstrap" in drawing.caption
    shown = [label.get_text() for axis in drawing.figure.axes[-2:] for label in axis.get_xticklabels()]
    assert shown == ["8", "64", "232", "lsa", "lsa:16"]
    accuracy = drawing.figure.axes[2]
    heights = [line.get_ydata()[0] for line in accuracy.get_lines() if line.get_marker() == "o"]
    rows = tables["effect"].query("metric == 'accuracy' and axis == 'embedding_dim'")
    np.testing.assert_allclose(heights, 100 * rows["difference"])
    drawing.figure.savefig(tmp_path / "effects.png")


def test_a_row_of_panels_without_any_difference_is_not_magnified(tables, design):
    flat = tables["effect"].copy()
    shown = ["difference", "low", "high", "question_low", "question_high"]
    flat.loc[flat["metric"] == "accuracy", shown] = 1e-17
    [drawing] = design.draw(tables | {"effect": flat})
    limits = [axis.get_ylim() for axis in drawing.figure.axes]
    assert limits[2] == limits[3] == (-1, 1)  # points
    assert limits[0] == limits[1] != (-1, 1)


def test_nothing_finished_draws_nothing(design, pool, config, make_results):
    results = make_results(design.plan(pool, config), lambda *_: 0.0)
    results.frame["state"] = "FAIL"
    assert design.draw(design.tables(results, pool, config)) == []
    tables = design.tables(results, pool, config)
    assert findings(tables) == []
    assert any("cells failed and are missing" in one for one in caveats(tables))
    assert not any("compared with the centre" in one for one in caveats(tables))
