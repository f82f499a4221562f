import pytest

from ablations.held_out.names import short_names


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["mmlu_pro_law", "mmlu_pro_math"], ["law", "math"]),
        (["gsm8k", "gpqa"], ["gsm8k", "gpqa"]),
        (["social_iqa"], ["social_iqa"]),
        (["social_iqa", "social_iqa"], ["social_iqa", "social_iqa"]),
    ],
)
def test_names_lose_what_all_of_them_begin_with(names: list[str], short: list[str]) -> None:
    assert short_names(names) == short


def test_long_names_are_cut_and_stay_different() -> None:
    long = "a very long benchmark name that goes on and on"
    names = [f"{long}, really", "gsm8k", f"{long}, truly", f"{long}, really"]
    shown = short_names(names)
    assert shown == ["a very long benchmark n…", "gsm8k", "a very long benchmark… 2", "a very long benchmark n…"]
    assert short_names(names, 10)[:3] == ["a very lo…", "gsm8k", "a very… 2"]


def test_a_cut_name_is_not_that_of_another_benchmark() -> None:
    assert short_names(["abcdefgh", "abcd…"], 5) == ["ab… 2", "abcd…"]


def test_many_alike_are_numbered_within_the_room() -> None:
    shown = short_names([f"{'x' * 40}{number}" for number in range(30)])
    assert len(set(shown)) == 30
    assert max(map(len, shown)) <= 24


def test_what_nobody_would_see_is_spelled_out() -> None:
    assert short_names(["code\u202egnp", "new\nline"]) == ["code\\u202egnp", "new line"]
    assert short_names(["a b", "a  b", "c"]) == ["a b (1)", "a b (2)", "c (3)"]
