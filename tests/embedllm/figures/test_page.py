"""Pages: complete in themselves, escaped, every id once, numbers to the right."""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from embedllm.errors import DataError
from embedllm.figures import Page, SavedFigure
from tests.embedllm.figures.conftest import draw

VOID = {"meta", "br", "img", "link", "hr", "input"}


class Elements(HTMLParser):
    """Every element of a page with its attributes, the text inside each tag, and whether all tags are closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self._open[-1] if self._open else "", data.strip()))

    def text_of(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.elements if name in attributes]


def references(html: str) -> list[str]:
    """Everything a browser would follow or load."""
    found = [
        value
        for name in ("href", "xlink:href", "src", "srcset", "data", "action", "poster")
        for value in Elements(html).attributes(name)
    ]
    return found + re.findall(r"url\(([^)]*)\)", html) + re.findall(r"@import[^;]*", html)


def full_page(folder: Path) -> Page:
    page = Page("A sweep & <more>", subtitle="64 trials over `lsa`").text("Before any section.")
    page.section("Leaderboard").table(pd.DataFrame({"trial": [1, 2], "encoder": ["lsa", "x"]}), caption="The best.")
    page.section("Figures").figure(draw(folder, "first")).figure(draw(folder, "second"))
    return page.section("Again").code("python -m tune run \\\n  --trials 3").bullets(["one", "`two`"]).facts({"a": 1})


def test_a_page_refers_to_nothing_outside_itself(tmp_path: Path) -> None:
    html = full_page(tmp_path).html()
    assert len(references(html)) > 10
    assert [text for text in references(html) if not text.startswith(("#", "data:image/png;base64,"))] == []
    assert not {tag for tag, _ in Elements(html).elements} & {"script", "link", "iframe", "object", "embed", "base"}
    assert re.search(r"\b(https?:)?//\w", re.sub(r"base64,[\w+/=\s]+", "", html)) is None


def test_ids_are_unique_and_every_reference_has_its_target(tmp_path: Path) -> None:
    html = full_page(tmp_path).html()
    ids = Counter(Elements(html).attributes("id"))
    assert [name for name, count in ids.items() if count > 1] == []
    targets = {text.removeprefix("#") for text in references(html) if text.startswith("#")}
    assert targets - set(ids) == set()
    assert {"figure:1", "figure:2", "leaderboard"} <= set(ids)


def test_the_same_figure_may_stand_twice(saved: SavedFigure) -> None:
    ids = Elements(Page("p").figure(saved).figure(saved).html()).attributes("id")
    assert len(ids) == len(set(ids)) > 10


def test_styles_of_a_drawing_do_not_reach_the_page(saved: SavedFigure) -> None:
    assert "<style" in saved.svg.read_text()
    html = Page("p").figure(saved).html()
    assert html.count("<style") == 1
    assert "<?xml" not in html
    assert "metadata" not in html


def test_everything_written_is_escaped(tmp_path: Path) -> None:
    nasty = "<script>alert(1)</script> & \"quoted\" 'single'"
    frame = pd.DataFrame({nasty: [nasty], "n": [1]})
    page = Page(nasty, subtitle=nasty).section(nasty).text(nasty).bullets([nasty]).facts({nasty: nasty}).code(nasty)
    html = page.table(frame, caption=nasty).figure(draw(tmp_path, caption=nasty)).html()
    assert "<script" not in html
    parsed = Elements(html)
    for tag in ("title", "h1", "p", "li", "dt", "dd", "th", "td", "figcaption"):
        assert any(nasty in text for text in parsed.text_of(tag)), tag
    [label] = [attributes["aria-label"] for tag, attributes in parsed.elements if tag == "svg"]
    assert label == nasty


def test_backticks_set_code_and_a_lone_one_stays() -> None:
    parsed = Elements(Page("p").text("Chosen by `val_<loss>`, costs 5` only.").html())
    assert parsed.text_of("code") == ["val_<loss>"]
    assert parsed.text_of("p")[-1] == ", costs 5` only."


def test_two_stars_set_strong_and_lone_ones_stay() -> None:
    parsed = Elements(Page("p").text("**a < b, by far.** 2 * 3 ** 2, `x**y**z`").html())
    assert parsed.text_of("strong") == ["a < b, by far."]
    assert parsed.text_of("code") == ["x**y**z"]
    assert "2 * 3 ** 2," in parsed.text_of("p")


def test_the_contents_lead_to_the_sections() -> None:
    page = Page("p").section("The data").section("Über α & ω").section("The data").section("Chosen", anchor="own")
    parsed = Elements(page.html())
    ids = [attributes["id"] for tag, attributes in parsed.elements if tag == "h2"]
    assert ids == ["the-data", "über-α-ω", "the-data-2", "own"]
    assert [f"#{name}" for name in ids for _ in range(2)] == sorted(
        parsed.attributes("href"), key=lambda link: ids.index(link[1:])
    )
    assert parsed.text_of("nav") == []
    assert "nav" in {tag for tag, _ in parsed.elements}


def test_a_page_of_one_section_has_no_contents() -> None:
    assert "nav" not in {tag for tag, _ in Elements(Page("p").section("only").html()).elements}


def test_anchors_are_checked() -> None:
    page = Page("p").section("a", anchor="x")
    with pytest.raises(ValueError, match="two sections cannot share the anchor 'x'"):
        page.section("b", anchor="x")
    with pytest.raises(ValueError, match="an anchor must be letters, digits, - and _ but is 'figure:1'"):
        page.section("b", anchor="figure:1")


def cells(frame: pd.DataFrame, **options: object) -> tuple[list[str], list[bool]]:
    """Texts of the body's cells, and whether each is set as a number."""
    parsed = Elements(Page("p").table(frame, **options).html())  # type: ignore[arg-type]
    numeric = [attributes.get("class") == "number" for tag, attributes in parsed.elements if tag == "td"]
    return parsed.text_of("td"), numeric


def test_numbers_are_shown_shortly_and_to_the_right() -> None:
    frame = pd.DataFrame(
        {
            "whole": [3, 12345],
            "fraction": [0.123456, 123456.7],
            "gaps": pd.array([2411, None], dtype="Int64"),
            "float whole": [2411.0, float("nan")],
            "text": ["lsa", "3 of them"],
            "formatted": ["0.5354 ± 0.0004", "-"],
            "flag": [True, False],
        }
    )
    texts, numeric = cells(frame)
    assert texts[:7] == ["3", "0.1235", "2411", "2411", "lsa", "0.5354 ±\N{NO-BREAK SPACE}0.0004", "yes"]
    assert texts[7:] == ["12345", "123457", "–", "–", "3 of them", "-", "no"]
    assert numeric[:7] == numeric[7:] == [True, True, True, True, False, True, False]


@pytest.mark.parametrize(
    ("column", "is_numeric"),
    [
        (["1,606", "756", "all"], True),
        (["7B", "13B"], False),
        (["2026-01-31", "2026-02-01"], False),
        (["1e-05", "+0.3"], True),
        (["5e−05", "9e−05"], True),
        (["10%", "-"], True),
        (["a", "1"], False),
        ([None, None], False),
    ],
)
def test_columns_of_text_that_hold_numbers(column: list[str | None], is_numeric: bool) -> None:
    assert cells(pd.DataFrame({"x": column}, dtype=object))[1] == [is_numeric] * len(column)


def test_formats_of_columns() -> None:
    frame = pd.DataFrame({"delta": [0.00123, None], "n": [12345.0, None]})
    texts, _ = cells(frame, formats={"delta": "+.3f", "n": ",d"})
    assert texts == ["+0.001", "12,345", "–", "–"]
    with pytest.raises(ValueError, match="formats for columns other, but the table has delta, n"):
        Page("p").table(frame, formats={"other": "d"})


def test_highlighted_rows_stand_out() -> None:
    parsed = Elements(Page("p").table(pd.DataFrame({"x": [1, 2, 3]}), highlight_rows=[1]).html())
    rows = [attributes.get("class") for tag, attributes in parsed.elements if tag == "tr"]
    assert rows == [None, None, "highlighted", None]


def test_a_table_without_rows_keeps_its_heading() -> None:
    parsed = Elements(Page("p").table(pd.DataFrame({"x": [], "y": []})).html())
    assert parsed.text_of("th") == ["x", "y"]
    assert parsed.text_of("td") == []


def test_tables_and_figures_are_numbered_where_they_have_a_caption(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1]})
    page = Page("p").table(frame).table(frame, caption="One.").section("s").table(frame, caption="Two.")
    parsed = Elements(page.figure(draw(tmp_path, caption="A curve.")).html())
    assert [text for text in parsed.text_of("p") if text.startswith("Table")] == ["Table 1. One.", "Table 2. Two."]
    assert parsed.text_of("figcaption") == ["Figure 1. A curve."]


def test_a_figure_brings_its_table_and_says_where_the_rest_is(saved: SavedFigure) -> None:
    parsed = Elements(Page("p").figure(saved).html())
    assert parsed.text_of("td") == ["a <i>", "0.3", "12345", "b", "–", "7"]
    assert parsed.text_of("summary") == ["Table of this figure"]
    pd.DataFrame({"x": range(500)}).to_csv(saved.table, index=False)
    parsed = Elements(Page("p").figure(saved).html())
    assert len(parsed.text_of("td")) == 200
    assert "The first 200 of 500 rows;" in parsed.text_of("p")


def test_a_drawing_that_refers_elsewhere_is_refused(saved: SavedFigure) -> None:
    svg = saved.svg.read_text()
    saved.svg.write_text(svg.replace("</svg>", '<image xlink:href="https://example.org/x.png"/></svg>'))
    with pytest.raises(DataError, match=r"refers to 'https://example.org/x.png'; a figure must hold all it shows; del"):
        Page("p").figure(saved)


@pytest.mark.parametrize(
    ("added", "told"),
    [
        ('<g onload="alert(1)"/>', "it holds 'onload', which runs a script"),
        (
            '<script xmlns="http://www.w3.org/1999/xhtml">alert(1)</script>',
            "xhtml}script', which is no part of a drawing",
        ),
        ("<foreignObject><b/></foreignObject>", "it holds 'foreignObject', which is no part of a drawing"),
        ('<use xlink:href="javascript:alert(1)"/>', "it refers to 'javascript:alert"),
        ('<image xlink:href="data:text/html,x"/>', "it refers to 'data:text/html,x'"),
        ('<g style="fill: url(https://example.org/x)"/>', r"it refers to 'fill: url\(https"),
        ("\x1b", "the figure cannot be read"),
    ],
)
def test_a_drawing_that_is_more_than_a_drawing_is_refused(saved: SavedFigure, added: str, told: str) -> None:
    svg = saved.svg.read_text()
    saved.svg.write_text(svg.replace("</svg>", f"{added}</svg>"))
    with pytest.raises(DataError, match=rf"{told}.*; delete the folder of figures and draw them again"):
        Page("p").figure(saved)


def test_a_page_is_written_whole(tmp_path: Path) -> None:
    file = tmp_path / "new" / "report.html"
    page = full_page(tmp_path / "figures")
    page.write(file)
    assert file.read_text(encoding="utf-8") == page.html()
    assert [path.name for path in file.parent.iterdir()] == ["report.html"]
    assert file.stat().st_mode & 0o044 == 0o044


def test_numbers_break_between_their_parts_only() -> None:
    frame = pd.DataFrame({"Δ [95 %]": ["0.5 ± 0.1 [-0.4, +0.6]"], "text": ["a ± b [c, d]"]})
    html = Page("p").table(frame).html()
    assert '<td class="number">0.5 ±\N{NO-BREAK SPACE}0.1 [-0.4,\N{NO-BREAK SPACE}+0.6]</td>' in html
    assert "<td>a ± b [c, d]</td>" in html
    assert ">Δ [95\N{NO-BREAK SPACE}%]</th>" in html


def test_wide_tables_are_set_smaller() -> None:
    narrow = pd.DataFrame({"a": [1], "b": ["x" * 90]})
    wide = pd.DataFrame({f"column {number}": [0.5] for number in range(12)})
    classes = Elements(Page("p").table(narrow).table(wide).html()).attributes("class")
    assert classes.count("wide") == 1


def test_names_turn_no_line_around_and_long_ones_are_broken() -> None:
    frame = pd.DataFrame({"name": ["\u202egnp.exe", "\x1b[31mred", "L" * 300], "n": [1, 2, 3]})
    html = Page("\u202etitle", "nul\0").table(frame).html()
    assert not set("\u202e\x1b\0") & set(html)
    assert "<h1>\\u202etitle</h1>" in html
    assert "<td>\\x1b[31mred</td>" in html
    assert f'<td class="long">{"L" * 300}</td>' in html
