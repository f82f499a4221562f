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
