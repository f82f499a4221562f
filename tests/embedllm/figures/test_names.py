"""Names in figures: short, different where they differ, and told where they are not the data's."""

import pytest

from embedllm.figures import distinct_names, shortening

ODD = ["$x$-70b", "a_b^c", "\\frac", "50%", "$5", "数学模型", "", " ", "\u200b", "/", "//", "two\nlines"]


def test_short_names_stay_as_they_are_whatever_they_hold() -> None:
    assert distinct_names(ODD[:6]) == ODD[:6]


def test_a_name_with_nothing_to_see_is_shown_as_blank_and_numbered() -> None:
    assert distinct_names(ODD[6:]) == ["(blank)", "(blank) 2", "\\u200b", "/", "//", "two lines"]


def test_what_no_file_can_hold_is_spelled_out() -> None:
    names = ["\x1b[31mred", "nul\0", "\u202ertl"]
    assert distinct_names(names) == ["\\x1b[31mred", "nul\\x00", "\\u202ertl"]
    assert shortening(names, distinct_names(names)) == ""


def test_the_organisation_is_left_out_unless_two_have_a_model_of_that_name() -> None:
    assert distinct_names(["a/x", "b/y", "c/y"]) == ["x", "b/y", "c/y"]
    assert distinct_names(["a/x"], whole=True) == ["a/x"]


@pytest.mark.parametrize("letter", ["x", "数", "$"])
def test_long_names_lose_their_middle_and_stay_different(letter: str) -> None:
    names = [letter * 60 + "-7b", letter * 60 + "-70b", letter * 61 + "-7b", letter * 24]
    shown = distinct_names(names)
    assert len(set(shown)) == 4
    assert max(map(len, shown)) == 24
    assert shown[0].endswith("-7b")
    assert shown[3] == names[3]


def test_what_is_not_shown_in_full_is_told_with_its_reason() -> None:
    names = ["org/small", "org/" + "x" * 40, "plain", "plain", "a  b", "ü" * 40]
    assert shortening(names, distinct_names(names)) == (
        "3 of 5 names are not shown in full: 2 without the part before / and 2 without the middle (…)."
    )
    assert shortening(["o/a", "b"], ["a", "b"]) == "1 of 2 names is not shown in full: without the part before /."
    assert shortening(["", "b"], ["(blank)", "b"]) == "1 of 2 names is not shown in full."
    assert shortening(["plain", "a\tb", "with … in it"], ["plain", "a b", "with … in it"]) == ""
