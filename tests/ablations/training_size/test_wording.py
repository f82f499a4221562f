import re

import pandas as pd
import pytest

from ablations.plots.training_size import draw
from ablations.training_size.tables import make_tables
from ablations.training_size.wording import caveats, findings


@pytest.fixture
def tables(make_results, power_law, pool, config):
    return make_tables(make_results(power_law, noise=1e-4), pool, config, tuned=False)


def test_levels_are_told_at_both_ends(tables):
    first = findings(tables)[0]
    assert first.startswith(
        "**Test accuracy with 100 and with 1,600 training questions: EmbedLLM from 72.3 ± 0.2 % to 79.0 ± 0.2 %.** "
        "kNN from 71.3 ± 0.2 % to 78.0 ± 0.2 % (means of 5 seeds ± 95 % t interval over seeds)."
    )


def test_a_clear_difference_is_told_with_its_sizes_and_its_kind_of_luck(tables):
    [text] = [one for one in findings(tables) if "that of kNN [" in one]
    assert re.match(
        r"\*\*With all training questions EmbedLLM's accuracy is 1\.\d\d points above that of kNN \[\+\d\.\d\d, "
        r"\+\d\.\d\d\]: significant over questions and over seeds\.\*\* ",
        text,
    )
    assert (
        "paired over 5 seeds on these 200 test questions, Holm-adjusted p < 0.05: accuracy ahead at all 5 sizes" in text
    )


def test_sizes_are_named_where_the_difference_is_clear_at_some_only(make_results, pool, config):
    def late(method, size, seed, candidate):
        return 0.2 + 3 * size**-0.8 + (0.01 if method == "knn" and size >= 800 else 0.0)

    tables = make_tables(make_results(late, noise=1e-4), pool, config, tuned=False)
    [text] = [one for one in findings(tables) if "that of kNN [" in one]
    assert "accuracy ahead at 2 of 5 sizes (800, 1,600), not distinguishable at 3" in text


def test_noise_is_not_told_as_a_difference(make_results, pool, config):
    def same(method, size, seed, candidate):
        return 0.2 + 3 * size**-0.8

    tables = make_tables(make_results(same, noise=0.003), pool, config, tuned=False)
    [text] = [one for one in findings(tables) if "that of kNN [" in one]
    assert "accuracy not distinguishable at any size; log-loss not distinguishable at any size." in text
    assert "not significant over both questions and seeds.**" in text
    assert "ahead" not in text
    assert "behind" not in text


def test_what_is_needed_is_told_as_measured_and_by_the_law(tables):
    [text] = [one for one in findings(tables) if one.startswith("**EmbedLLM's mean accuracy is within")]
    assert re.match(
        r"\*\*EmbedLLM's mean accuracy is within 0.5 points of its full-set value only with the full set.\*\* With 800 "
        r"questions it is 0.60 points below \[\+0.5\d, \+0.6\d\], which is too few \(95 % t interval, paired over "
        r"5 seeds\). According to its scaling law, error = 0.2",
        text,
    )
    assert "95 % bootstrap interval over seeds and misfit" in text
    assert "disagree" not in text


def test_a_size_before_the_last_may_be_enough_and_is_told_with_its_gap(make_results, pool, config):
    def early(method, size, seed, candidate):
        return 0.2 + 30 * size**-1.5

    texts = findings(make_tables(make_results(early, noise=0.001), pool, config, tuned=False))
    [text] = [one for one in texts if one.startswith("**EmbedLLM's mean accuracy is within")]
    assert "is within 0.5 points of its full-set value from 400 questions on.**" in text
    assert re.search(r"With 400 questions it is 0.\d\d points below \[.*\]; with 200 questions it is 0.\d\d p", text)


def test_one_size_is_told_once(make_results, power_law, pool, config):
    texts = findings(make_tables(make_results(power_law, sizes=(1600,)), pool, config, tuned=False))
    assert texts[0].startswith("**Test accuracy with 1,600 training questions: EmbedLLM 79.")


def test_a_law_that_the_measured_means_contradict_is_told(tables):
    mine = (tables["law"]["method"] == "embedllm") & (tables["law"]["metric"] == "accuracy")
    tables["law"].loc[mine, "within"] = 300.0
    [text] = [one for one in findings(tables) if one.startswith("**EmbedLLM's mean accuracy is within")]
    assert text.endswith("Law and measured means disagree: neither is exact.")


def test_a_refused_law_is_told_with_its_reason(make_results, pool, config):
    flat = make_results(lambda *_: 0.3, noise=0.001)
    texts = findings(make_tables(flat, pool, config, tuned=False))
    assert any("No scaling law is fitted to its error rate: from the smallest to the full set" in one for one in texts)


def test_the_simulations_bound_is_told(tables, pool):
    [text] = [one for one in findings(tables) if "true probabilities" in one]
    bound = 100 * pool.meta["truth"]["accuracy"]
    assert f"has an accuracy of {bound:.1f} %" in text
    assert f"EmbedLLM {bound - 79.0:.1f}" in text


def test_one_seed_claims_nothing(make_results, power_law, pool, config):
    tables = make_tables(make_results(power_law, seeds=1), pool, config.replace(seeds=1), tuned=False)
    texts = findings(tables)
    assert "EmbedLLM from 72.5 % to" in texts[0]
    assert texts[0].endswith("(one seed).")
    assert not any("that of kNN" in one or "EmbedLLM against" in one for one in texts)


def test_caveats_name_what_applies(tables, make_results, power_law, pool, config):
    plain = " ".join(caveats(tables))
    assert "All seeds share the same 200 test questions" in plain
    assert "lsa is fitted on the texts, not the labels" in plain
    assert "preset fast at every size" in plain
    assert "The data is simulated" in plain
    assert "given each test question's benchmark" not in plain
    results = make_results(power_law, methods=("embedllm", "lookup"), candidates=2)
    results.frame.loc[results.frame["seed"] == 4, "state"] = "FAIL"
    other = " ".join(caveats(make_tables(results, pool, config.replace(encoder="all-MiniLM-L6-v2"), tuned=True)))
    assert "the best of 2 by mean validation log-loss" in other
    assert "given each test question's benchmark" in other
    assert "15 cells failed" in other
    assert "lsa" not in other


def test_caveats_of_one_seed_speak_of_nothing_that_is_not_there(make_results, power_law, pool, config):
    tables = make_tables(make_results(power_law, seeds=1), pool, config.replace(seeds=1), tuned=False)
    told = " ".join(caveats(tables))
    assert "One seed is one draw of the training subset" in told
    for absent in ("1 seeds", "In brackets", "Bands and paired tests", "The scaling law describes"):
        assert absent not in told
    assert any(
        "No scaling law is fitted to its error rate: with one seed the noise is" in one for one in findings(tables)
    )


def test_caveats_without_embedllm_speak_of_the_others_only(make_results, power_law, pool, config):
    tables = make_tables(make_results(power_law, methods=("knn", "lookup")), pool, config, tuned=False)
    told = " ".join(caveats(tables))
    assert "EmbedLLM" not in told
    assert "In brackets" not in told
    assert "Bands are over 5 seeds" in told
    assert "kNN's k is tuned on validation questions at every size." in told
    only = make_results(lambda *_: 0.3, methods=("lookup",))
    told = " ".join(caveats(make_tables(only, pool, config, tuned=True)))
    for absent in ("EmbedLLM", "kNN", "lsa", "The scaling law"):
        assert absent not in told


def test_captions_of_one_seed_promise_no_law_and_no_interval(make_results, power_law, pool, config):
    tables = make_tables(make_results(power_law, seeds=1), pool, config.replace(seeds=1), tuned=False)
    paper = pd.DataFrame({"method": ["knn"], "training_questions": [1000], "accuracy": [0.7]})
    drawn = {drawing.name: drawing for drawing in draw(tables | {"paper": paper})}
    caption = drawn["scaling_law"].caption
    assert caption.startswith("Points: mean over one seed. Dashed grey: the full set")
    assert "fitted" not in caption
