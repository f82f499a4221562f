"""A figure on disk: four files that agree, whole or not at all."""

import warnings
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from embedllm.errors import DataError
from embedllm.figures import SavedFigure, house_style, new_figure, read_figures, save_figure


def save(folder: Path, name: str, caption: str = "c", table: pd.DataFrame | None = None) -> SavedFigure:
    return save_figure(
        new_figure()[0], folder, name, pd.DataFrame({"x": [1]}) if table is None else table, caption=caption
    )


def test_picture_drawing_and_table_are_there(saved: SavedFigure) -> None:
    assert saved.png.read_bytes().startswith(b"\x89PNG")
    assert ElementTree.parse(saved.svg).getroot().attrib["viewBox"] == "0 0 252 180"
    table = pd.read_csv(saved.table, float_precision="round_trip")  # the default of pandas 2 is not exact
    assert table["accuracy"][0] == 0.1 + 0.2, "with every digit"
    assert table.columns.tolist() == ["model", "accuracy", "count"], "without the index"
    assert {path.name for path in saved.png.parent.iterdir()} == {
        "accuracy.png",
        "accuracy.svg",
        "accuracy.csv",
        "figures.json",
    }, "nothing staged is left behind"
    assert saved.png.stat().st_mode & 0o044 == 0o044, "others may read it"


def test_equal_figures_are_equal_files(tmp_path: Path) -> None:
    first, second = save(tmp_path / "a", "x"), save(tmp_path / "b", "x")
    assert first.svg.read_bytes() == second.svg.read_bytes()


def test_a_folder_gives_its_figures_back_in_order(tmp_path: Path) -> None:
    saved = [save(tmp_path, name, caption=f"Caption of {name}: ∆α") for name in ("zeta", "alpha", "mid")]
    assert read_figures(tmp_path) == saved


def test_a_figure_saved_again_keeps_its_place(tmp_path: Path) -> None:
    save(tmp_path, "a")
    save(tmp_path, "b")
    save(tmp_path, "a", caption="new", table=pd.DataFrame({"y": [2]}))
    assert [(figure.name, figure.caption) for figure in read_figures(tmp_path)] == [("a", "new"), ("b", "c")]
    assert pd.read_csv(tmp_path / "a.csv").columns.tolist() == ["y"]


def test_a_folder_without_figures_has_none(tmp_path: Path) -> None:
    assert read_figures(tmp_path) == []
    assert read_figures(tmp_path / "missing") == []


@pytest.mark.parametrize("name", ["", "../x", "a b", ".hidden", "a/b", "ä"])
def test_a_name_that_is_no_plain_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="a figure's name must be letters, digits, - and _ but is"):
        save(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_every_missing_file_is_named(tmp_path: Path) -> None:
    first, second = save(tmp_path, "a"), save(tmp_path, "b")
    first.svg.unlink()
    second.table.unlink()
    with pytest.raises(DataError) as caught:
        read_figures(tmp_path)
    assert caught.value.problems == (
        "a.svg is missing; draw the figures again",
        "b.csv is missing; draw the figures again",
    )


@pytest.mark.parametrize("text", ["{", '[{"name": "a"}]', "[1]"])
def test_a_damaged_index_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "figures.json").write_text(text)
    with pytest.raises(DataError, match=r"not an index of figures \(.*\); delete it and draw the figures again"):
        read_figures(tmp_path)


def test_a_failure_leaves_the_earlier_figure_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = save(tmp_path, "a")
    before = saved.png.read_bytes()

    def full(self: Figure, path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(OSError, match="no space left"):
        save(tmp_path, "a")
    assert saved.png.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 4


def test_long_tick_labels_are_not_cut(tmp_path: Path) -> None:
    """The layout is found at the resolution that is saved: letters are wider there than at another."""
    figure, axes = new_figure("double", height=4.4, nrows=2)
    for axis in axes:
        axis.set_yticks([0, 1], ["truthfulqa_mc1_iiiiiiiiiiii", "social_iqa"])
        axis.set_xticks([0, 1], ["0.0022222222", "0.0066666667"], rotation=90)
    saved = save_figure(figure, tmp_path, "long", pd.DataFrame({"a": [1]}), caption="")
    pixels = imread(saved.png)[:, :, :3]
    for edge in (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]):
        assert edge.min() > 0.95


def test_dollars_in_names_are_dollars(tmp_path: Path) -> None:
    figure, axes = new_figure()
    axes.set_title("costs $5 to_ $9^")
    axes.set_xticks([0, 1], ["$a^$", "b"])
    axes.set_yscale("log")
    axes.plot([0, 1], [1, 1e4])
    saved = save_figure(figure, tmp_path, "dollars", pd.DataFrame(), caption="")
    drawn = saved.svg.read_text()
    for text in ("costs $5 to_ $9^", "$a^$", "10³"):
        assert f"<!-- {text} -->" in drawn
    assert "mathdefault" not in drawn


def test_a_name_is_measured_as_wide_as_it_is_drawn(tmp_path: Path) -> None:
    with house_style():
        figure, axes = new_figure()
        label = axes.annotate(r"$\alpha$-70b", (0.5, 0.5))
        figure.set_dpi(220)
        measured = label.get_window_extent().width
    save_figure(figure, tmp_path, "measured", pd.DataFrame(), caption="")
    figure.set_dpi(220)
    figure.draw_without_rendering()
    assert label.get_window_extent().width == pytest.approx(measured)


def test_letters_that_the_font_lacks_bring_no_warnings(tmp_path: Path) -> None:
    figure, axes = new_figure()
    axes.set_title("数学 ∑ é")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        save_figure(figure, tmp_path, "cjk", pd.DataFrame({"a": [1]}), caption="")
    assert told == []


def test_texts_with_control_characters_make_a_drawing_that_can_be_read(tmp_path: Path) -> None:
    figure, axes = new_figure()
    axes.set_xticks([0, 1], ["\x1b[31mred", "nul\0"])
    saved = save_figure(figure, tmp_path, "x", pd.DataFrame({"x": [1]}), caption="c")
    ElementTree.parse(saved.svg)
    assert "\\x1b[31mred" in saved.svg.read_text(), "matplotlib names each text in a comment"
