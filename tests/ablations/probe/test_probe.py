"""Tables, sentences and figures of the probing design from results with planted families."""

import dataclasses
import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ablations.batches import check_plan
from ablations.cell import Cell
from ablations.design import Drawing
from ablations.designs.probe import Probe
from ablations.plots.probe_maps import _naming
from embedllm.data import CorrectnessMatrix
from embedllm.errors import ConfigError, DataError
from embedllm.evaluation import holm
from embedllm.figures import house_style, save_figure
from tests.ablations.made import CONFIG, MadeResults, small

DESIGN = Probe(permutations=499)
FAMILIES = np.repeat(["red", "blue", "green", "grey"], (6, 6, 6, 6))
DIRECTIONS = {"red": (5, 0, 0, 0), "blue": (0, 0, 0, 0), "green": (0, 0, 0, 0), "grey": (0, 0, 0, 0)}


@pytest.fixture(scope="module")
def data() -> CorrectnessMatrix:
    """Family red answers alike and lies together; family blue is only strong."""
    data = small(models=24, questions=300)
    generator = np.random.default_rng(0)
    shared = generator.random(300)
    chance = np.where(FAMILIES == "blue", 0.8, 0.5)[:, None]
    draws = np.where(
        (FAMILIES == "red")[:, None] & (generator.random((24, 300)) < 0.9), shared, generator.random((24, 300))
    )
    models = data.models.append_column("family", pa.array(FAMILIES.tolist()))
    return dataclasses.replace(data, correct=(draws < chance).astype(np.uint8), models=models)


def planted(cell: Cell) -> np.ndarray:
    """The level first, as of `function_coordinates`, then where the families lie."""
    generator = np.random.default_rng(cell.config.seed)
    level = np.where(FAMILIES == "blue", 4.0, 0.0) + generator.normal(0, 0.3, 24)
    places = np.array([DIRECTIONS[family] for family in FAMILIES]) + generator.normal(size=(24, 4))
    return np.concatenate([level[:, None], places], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def tables(data: CorrectnessMatrix) -> dict[str, pd.DataFrame]:
    results = MadeResults(DESIGN.plan(data, CONFIG), embedding=planted, function=planted)
    return DESIGN.tables(results, data, CONFIG)


def test_the_plan_is_one_configuration_with_every_seed(data: CorrectnessMatrix) -> None:
    plan = DESIGN.plan(data, CONFIG)
    check_plan(plan, data)
    assert [cell.config.seed for cell in plan.cells] == [0, 1]
    assert {cell.outputs for cell in plan.cells} == {("embedding", "function")}
    assert any("have no size that their name" in note for note in plan.notes)


def test_the_plan_tells_that_there_will_be_no_t_sne(data: CorrectnessMatrix) -> None:
    told = "There will be no t-SNE map: 24 models with perplexity 24; needed: a perplexity below their number."
    assert told in Probe(perplexity=24).plan(data, CONFIG).notes
    assert not any("t-SNE" in note for note in Probe(perplexity=23.9).plan(data, CONFIG).notes)


def test_planted_families_are_found_and_random_ones_are_not(tables: dict[str, pd.DataFrame]) -> None:
    frame = tables["communities"].set_index(["space", "ability", "community"])
    assert frame.loc[("profile", "kept", "red"), "holm"] < 0.05
    assert frame.loc[("profile", "removed", "red"), "holm"] < 0.05
    for family in ("green", "grey"):
        assert frame.loc[("profile", "kept", family), "p"] > 0.01
    assert set(tables["communities"]["kind"]) == {"family"}
    kinds = tables["kinds"].set_index(["space", "ability"])
    assert kinds.loc[("profile", "removed"), "p"] < 0.05


def test_a_community_that_is_only_strong_goes_with_its_ability(tables: dict[str, pd.DataFrame]) -> None:
    frame = tables["communities"].set_index(["space", "ability", "community"])
    assert frame.loc[("function", "kept", "blue"), "p"] < 0.05
    assert frame.loc[("profile", "kept", "blue"), "p"] > 0.05
    assert frame.loc[("function", "removed", "blue"), "p"] > 0.05
    explained = tables["ability"].set_index("space")["explained"]
    assert explained["function"] > explained["profile"]
    assert any("Ability is a confounder" in line for line in DESIGN.caveats(tables))


def test_tables_hold_every_pair_neighbour_and_place(tables: dict[str, pd.DataFrame]) -> None:
    assert len(tables["pairs"]) == 24 * 23 / 2
    assert (tables["pairs"]["common_questions"] == 30).all()
    assert len(tables["neighbours"]) == 3 * 24 * 3
    red = tables["neighbours"].query(
        "space == 'profile' and rank == 1 and model in ['m0', 'm1', 'm2', 'm3', 'm4', 'm5']"
    )
    assert set(red["neighbour"]) <= {f"m{number}" for number in range(6)}
    assert (tables["maps"].groupby(["space", "method"]).size() == 24).all()
    assert sorted(tables["leaves"].query("space == 'function'")["model"]) == sorted(
        f"m{number}" for number in range(24)
    )
    assert tables["models"]["family"].tolist() == FAMILIES.tolist()
    correlations = tables["correlations"]
    assert set(correlations["with"]) == {"disagreement", "accuracy gap"}


def test_findings_name_what_was_planted(tables: dict[str, pd.DataFrame]) -> None:
    found = DESIGN.findings(tables)
    (profile,) = [line for line in found if line.startswith("**In profile space (level removed)")]
    assert "family red (n = 6, p = " in profile
    assert "family green" not in profile
    assert any(line.startswith("**Taking all communities of a kind together, models of one") for line in found)
    assert any("by chance: 4 %" in line for line in found)
    (kinds,) = [line for line in found if line.startswith("**Taking all communities of a kind")]
    assert len(re.findall(r"space p (?:=|<) 0\.\d{3} \(ability removed: (?:< )?0\.\d{3}\)", kinds)) == 3


def test_a_share_rounded_below_zero_is_zero(data: CorrectnessMatrix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablations.probe.tables.without_ability", lambda distances, ability: (distances, -2e-16))
    results = MadeResults(DESIGN.plan(data, CONFIG), embedding=planted, function=planted)
    tables = DESIGN.tables(results, data, CONFIG)
    assert tables["ability"]["explained"].tolist() == [0, 0, 0]
    assert "0 % in embedding space, 0 % in function space, 0 % in profile space" in " ".join(DESIGN.caveats(tables))


def test_every_figure_is_drawn_from_the_tables(tables: dict[str, pd.DataFrame]) -> None:
    drawn = DESIGN.draw(tables)
    spaces = ("embedding", "function", "profile")
    names = ["communities", *(f"map_{space}" for space in spaces), *(f"similarity_{space}" for space in spaces)]
    assert [drawing.name for drawing in drawn] == [*names, "agreement"]
    for drawing in drawn:
        drawing.figure.draw_without_rendering()
        assert len(drawing.table)
    left = drawn[5].figure.axes[0].xaxis.label.get_window_extent()
    assert left.x0 >= 0, "below the narrow tree, and not cut"
    rows = [text.get_text() for text in drawn[5].figure.axes[1].get_yticklabels()]
    assert rows == tables["leaves"].query("space == 'function'").sort_values("place")["model"].tolist()


def test_names_on_a_map_meet_neither_names_nor_edges(tables: dict[str, pd.DataFrame]) -> None:
    drawn = DESIGN.draw(tables)[1]
    named = _names(drawn)
    assert len(named) > 12
    crowd = tables["maps"].assign(x=np.arange(144) % 24 * 0.02, y=0.0)
    crowd.loc[crowd["model"] == "m23", ["x", "y"]] = 10.0
    crowded = DESIGN.draw(tables | {"maps": crowd})[1]
    few = _names(crowded)
    assert 2 <= len(few) < 12
    assert crowded.caption.endswith(
        f" The last map names {len(few)} of the 24 models ({24 - len(few)} have no room beside their points). The "
        "figure's table has all names in full."
    )
    assert len(crowded.table) == 48


LONG = "org/" + "long-" * 20
ODD_NAMES = [
    *("$x$-70b", "$a^$", "a_b^c_d", "\\frac{1", "$\\mathbf{x}$", "100%", "\\$5$", "数学模型-七十亿", "", "\u200b", "/"),
    *("_", "$$", "organisation/model", f"{LONG}7b", f"{LONG}70b", "x" * 200, "$" * 40),
]


@house_style()  # which takes letters that the font lacks in silence
def test_odd_names_are_placed_as_wide_as_they_are_drawn(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    odd = {f"m{number}": name for number, name in enumerate(ODD_NAMES)}
    renamed = tables | {name: tables[name].replace({"model": odd}) for name in ("maps", "models", "members")}
    drawn = DESIGN.draw(renamed)[1]
    named = set(_names(drawn))
    save_figure(drawn.figure, tmp_path, "map", drawn.table, caption=drawn.caption)
    assert set(_names(drawn)) == named, "measured as it is saved"
    assert {"$x$-70b", "(blank)"} & named
    assert "without the middle (…)" in drawn.caption
    assert drawn.caption.endswith("The figure's table has all names in full.")


def test_the_caption_says_which_models_a_map_names() -> None:
    assert _naming({}, 31) == ("No model is named, for there are more than 30; the figure's table has the names.")
    assert _naming({"a": "a", "b": "b"}, 2) == "The last map names all of the 2 models."
    assert _naming({"o/a": "a"}, 2) == (
        "The last map names 1 of the 2 models (1 has no room beside its point). 1 of 1 names is not shown in full: "
        "without the part before /. The figure's table has all names in full."
    )
    assert _naming({}, 2).startswith("The last map names none of the 2 models (2 have no room beside their points).")


def _names(drawn: Drawing) -> list[str]:
    """The names on a map as it would be saved, once none is found to be in the way of anything."""
    drawn.figure.set_dpi(220)
    drawn.figure.draw_without_rendering()  # a bare canvas would draw nothing
    (axis,) = [axis for axis in drawn.figure.axes if axis.texts]
    boxes = [text.get_window_extent() for text in axis.texts]
    assert not any(box.count_overlaps(boxes[:number]) for number, box in enumerate(boxes))
    frame = axis.get_window_extent()
    assert all(frame.containsx(box.x0) and frame.containsx(box.x1) for box in boxes)
    assert all(frame.containsy(box.y0) and frame.containsy(box.y1) for box in boxes)
    points = axis.transData.transform(axis.collections[0].get_offsets())
    assert not any(box.contains(*point) for box in boxes for point in points)
    return [text.get_text() for text in axis.texts]


@house_style()  # ticks are made when they are drawn
def test_ticks_of_community_distances_stand_apart(tables: dict[str, pd.DataFrame]) -> None:
    close = tables["communities"].assign(intra=0.945, inter=1.075)
    drawn = DESIGN.draw(tables | {"communities": close})[0]
    drawn.figure.set_dpi(220)
    drawn.figure.draw_without_rendering()
    for axis in drawn.figure.axes[:3]:
        left, right = sorted(axis.get_xlim())
        ticks = [tick.label1 for tick in axis.xaxis.get_major_ticks() if left <= tick.get_loc() <= right]
        boxes = [label.get_window_extent() for label in ticks]
        assert len(boxes) > 1
        assert all(second.x0 - first.x1 > first.width / 2 for first, second in itertools.pairwise(boxes))


def test_a_pool_without_communities_is_still_mapped(data: CorrectnessMatrix) -> None:
    bare = dataclasses.replace(data, models=data.models.drop_columns(["family"]))
    plan = DESIGN.plan(bare, CONFIG)
    assert any("No community has enough models" in note for note in plan.notes)
    tables = DESIGN.tables(MadeResults(plan, embedding=planted, function=planted), bare, CONFIG)
    assert not len(tables["communities"])
    names = [drawing.name for drawing in DESIGN.draw(tables)]
    assert "communities" not in names
    assert "map_profile" in names
    assert not any("communities are significantly closer" in line for line in DESIGN.findings(tables))


def test_degenerate_answers_are_told_and_not_nan(data: CorrectnessMatrix) -> None:
    right = dataclasses.replace(data, correct=np.ones_like(data.correct))
    plan = DESIGN.plan(right, CONFIG)
    tables = DESIGN.tables(MadeResults(plan, embedding=planted, function=planted), right, CONFIG)
    assert not len(tables["correlations"])
    caveats = " ".join(DESIGN.caveats(tables))
    assert "Distance is not correlated with disagreement: all pairs of the second matrix are 0" in caveats
    # All pairs agree alike, so no neighbour agrees most.
    assert any("an average pair on 100.0 %.**" in line for line in DESIGN.findings(tables))
    assert not any("agrees most" in line for line in DESIGN.findings(tables))
    for drawing in DESIGN.draw(tables):
        drawing.figure.draw_without_rendering()
    flat = MadeResults(plan, embedding=lambda cell: np.ones((24, 3)), function=planted)
    with pytest.raises(DataError, match="seed 0: all 24 models have the same one"):
        DESIGN.tables(flat, right, CONFIG)


def without_answers(data: CorrectnessMatrix, models: list[int], questions: slice | np.ndarray) -> CorrectnessMatrix:
    attempts = data.attempts.copy()
    attempts[np.ix_(models, np.arange(data.num_questions)[questions])] = 0
    return dataclasses.replace(data, attempts=attempts, correct=np.minimum(data.correct, attempts))


def test_a_model_without_answers_is_left_out_of_everything(data: CorrectnessMatrix) -> None:
    holes = without_answers(data, [23], slice(None))
    plan = DESIGN.plan(holes, CONFIG)
    assert plan.notes[-1] == (
        "1 of 24 models has no graded answer to a training question and is left out: its embedding is its "
        "initialisation."
    )
    tables = DESIGN.tables(MadeResults(plan, embedding=planted, function=planted), holes, CONFIG)
    kept = [f"m{number}" for number in range(23)]
    assert tables["models"]["model"].tolist() == kept
    assert tables["models"]["accuracy"].notna().all()
    assert len(tables["pairs"]) == 23 * 22 / 2
    for name, columns in {"neighbours": ["model", "neighbour"], "maps": ["model"], "leaves": ["model"]}.items():
        assert set(tables[name][columns].to_numpy().ravel()) == set(kept)
    grey = tables["communities"].query("community == 'grey'")
    assert (grey["members"] == 5).all()
    assert set(tables["communities"]["ability"]) == set(tables["correlations"]["ability"]) == {"kept", "removed"}
    assert DESIGN.draw(tables)
    # Answers to test questions alone train no embedding either.
    train = CONFIG.base_split(data).train
    assert (
        DESIGN.plan(without_answers(data, [22, 23], train), CONFIG)
        .notes[-1]
        .startswith(
            "2 of 24 models have no graded answer to a training question and are left out: their embeddings are"
        )
    )
    with pytest.raises(DataError, match="4 models with a graded answer to a training question are too few"):
        DESIGN.plan(without_answers(data, list(range(4, 24)), slice(None)), CONFIG)


def test_distance_is_said_to_go_with_disagreement_only_where_it_does(tables: dict[str, pd.DataFrame]) -> None:
    frame = tables["correlations"].query("`with` == 'disagreement' and ability == 'kept'")
    np.testing.assert_allclose(frame["spearman_holm"], holm(frame["spearman_p"].to_numpy()))

    def claim(spearman: list[float], p: list[float]) -> str:
        changed = tables["correlations"].copy()
        changed.loc[frame.index, ["spearman", "spearman_holm"]] = np.transpose([spearman, p])
        (line,) = [line for line in DESIGN.findings(tables | {"correlations": changed}) if "Mantel" in line]
        return line.split("**")[1]

    assert claim([0.1, 0.2, 0.3], [0.6, 0.051, 0.2]) == (
        "No evidence that distance tracks disagreement on test questions in any space: Spearman 0.10 (p = 0.600) in "
        "embedding space, 0.20 (p = 0.051) in function space, 0.30 (p = 0.200) in profile space."
    )
    assert claim([0.1, 0.5, 0.3], [0.6, 0.0002, 0.03]) == (
        "Distance tracks disagreement on test questions: Spearman 0.50 (p < 0.001) in function space, 0.30 "
        "(p = 0.030) in profile space; no evidence: 0.10 (p = 0.600) in embedding space."
    )
    (line,) = [line for line in DESIGN.findings(tables) if "Mantel" in line]
    assert len(re.findall(r"\d\.\d\d \(p (?:=|<) \d", line)) == 4 * 3  # each coefficient with its own p


def test_kinds_are_adjusted_over_the_spaces_too(tables: dict[str, pd.DataFrame]) -> None:
    kept = tables["kinds"].query("ability == 'kept'")
    assert len(kept) == 3  # one kind, three spaces
    assert kept["holm"].min() == pytest.approx(3 * kept["p"].min())
    assert any("Holm-adjusted over kinds and spaces" in line for line in DESIGN.findings(tables))


def test_captions_and_caveats_speak_of_what_is_drawn(data: CorrectnessMatrix, tables: dict[str, pd.DataFrame]) -> None:
    said = " ".join([*(drawing.caption for drawing in DESIGN.draw(tables)), *DESIGN.caveats(tables)])
    assert "t-SNE preserves neighbourhoods, not distances" in said
    assert "t-SNE preserves neighbourhoods only" in said
    assert "Ability removed: residuals" in said
    design = Probe(permutations=99, perplexity=24)  # no t-SNE with as large a perplexity
    bare = dataclasses.replace(data, models=data.models.drop_columns(["family"]), correct=np.ones_like(data.correct))
    results = MadeResults(design.plan(bare, CONFIG), embedding=planted, function=planted)
    few = design.tables(results, bare, CONFIG)
    said = " ".join([*(drawing.caption for drawing in design.draw(few)), *design.caveats(few)])
    for absent in ("and t-SNE", "t-SNE preserves", "ability removed", "Ability removed", "labels of a kind", "Mantel"):
        assert absent not in said
    assert "Communities come from names" not in said


def test_few_models_and_bad_options_are_refused() -> None:
    with pytest.raises(DataError, match="5 models are too few to compare distances; needed: 6 or more"):
        DESIGN.plan(small(models=5), CONFIG)
    with pytest.raises(DataError, match="1 model is too few"):
        DESIGN.plan(small(models=1), CONFIG)
    with pytest.raises(ConfigError, match="minimum must be at least 2 but is 1; perplexity must be positive"):
        Probe(minimum=1, perplexity=-2)
    with pytest.raises(DataError, match="there is no metadata column 'tribe'"):
        Probe(communities=["tribe"]).plan(small(), CONFIG)


def test_of_a_large_pool_some_models_are_compared_and_the_plan_says_so(data: CorrectnessMatrix) -> None:
    design = dataclasses.replace(DESIGN, most_models=20, permutations=99)
    notes = design.plan(data, CONFIG).notes
    assert any("of 24 only 20, drawn at random, are compared" in note for note in notes)
    assert any("of 20 models have no size" in note for note in notes)
    assert not any(
        "drawn at random" in note for note in dataclasses.replace(design, most_models=24).plan(data, CONFIG).notes
    )
    results = MadeResults(design.plan(data, CONFIG), embedding=planted, function=planted)
    tables = design.tables(results, data, CONFIG)
    assert len(tables["models"]) == 20
    assert len(tables["pairs"]) == 20 * 19 / 2
    again = design.tables(results, data, CONFIG)
    pd.testing.assert_frame_equal(tables["pairs"], again["pairs"])
    # Names, accuracies and places are of the same models, in the order of the data.
    kept = [int(name[1:]) for name in tables["models"]["model"]]
    assert kept == sorted(kept)
    assert np.allclose(tables["models"]["accuracy"], data.correct[kept].mean(axis=1))
    assert tables["models"]["family"].tolist() == FAMILIES[kept].tolist()


def test_a_heat_map_of_many_models_names_none_and_says_so(
    tables: dict[str, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablations.plots.probe.MOST_NAMED_ROWS", 23)
    drawn = next(drawing for drawing in DESIGN.draw(tables) if drawing.name == "similarity_profile")
    assert not [label for axis in drawn.figure.axes[:2] for label in axis.get_yticklabels()]
    assert "No model is named" in drawn.caption
    assert len(drawn.table) == 24
