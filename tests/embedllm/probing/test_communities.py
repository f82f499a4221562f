"""Who goes where, by name and by metadata."""

import numpy as np
import pyarrow as pa
import pytest

from embedllm.data.simulate import simulate
from embedllm.errors import DataError
from embedllm.probing import communities_of, size_in_billions


def pool(*names: str, **metadata: object) -> pa.Table:
    return pa.table({"model_id": [str(i) for i in range(len(names))], "model_name": list(names), **metadata})


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("Qwen/Qwen1.5-7B-Chat", 7),
        ("deepseek-ai/deepseek-coder-1.3b-base", 1.3),
        ("bigscience/bloom-7b1", 7.1),
        ("Plaban81/Moe-4x7b-math-reason-code", 28),
        ("Mixtral-8x7B-v0.1", 56),
        ("zhengr/MixTAO-7Bx2-MoE-v8.1", 14),
        ("cloudyu/Mixtral_11Bx2_MoE_19B", 19),
        ("01-ai/Yi-6B-200K", 6),
        ("Qwen3-235B-A22B", 235),
        ("EleutherAI/pythia-410m", 0.41),
        ("fblgit/UNA-SimpleSmaug-34b-v1beta", 34),
        ("meta_llama-3.1-405b-instruct-turbo", 405),
        ("sim-f03-0.5b-chat", 0.5),
        ("microsoft/phi-1_5", None),
        ("gpt-4o-2024-05-13", None),
        ("mistral-large-2402", None),
    ],
)
def test_sizes_are_read_from_names(name: str, billions: float | None) -> None:
    assert size_in_billions(name) == (None if billions is None else pytest.approx(billions))


def where(name: str) -> tuple[str, str, str]:
    """Size, specialty and family of one model among others that share none of them."""
    others = ("alone-a", "alone-b")
    row = communities_of(pool(name, *others), minimum=1).table().iloc[0]
    return row.get("size", ""), row.get("specialty", ""), row.get("family", "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("codellama/CodeLlama-34b-Instruct-hf", ("34B", "code", "CodeLlama")),
        ("deepseek-ai/deepseek-math-7b-instruct", ("7B", "math", "DeepSeek")),
        ("EleutherAI/llemma_34b", ("34B", "math", "")),
        ("AdaptLLM/medicine-LLM-13B", ("13B", "bio/medical", "")),
        ("BioMistral/BioMistral-7B-DARE", ("7B", "bio/medical", "Mistral")),
        ("Writer/palmyra-med-20b", ("34B", "bio/medical", "Palmyra")),
        ("mistralai_mistral-medium-2312", ("", "", "Mistral")),
        ("microsoft_phi-3-medium-4k-instruct", ("", "", "Phi")),
        ("Harshvir/Llama-2-7B-physics", ("7B", "physics/chemistry", "Llama 1/2")),
        ("meta-llama/Meta-Llama-3-8B-Instruct", ("7B", "", "Llama 3")),
        ("Meta-Llama-3_1-70B", ("70B", "", "Llama 3")),
        ("Plaban81/Moe-4x7b-math-reason-code", ("34B", "code, math", "")),
        ("meta-llama/LlamaGuard-7b", ("7B", "", "Llama 1/2")),
        ("kevin009/llamaRAGdrama", ("", "", "")),
        ("abhishek/zephyr-beta-math", ("", "math", "Mistral")),
        ("01-ai_yi-large-preview", ("", "", "Yi")),
        ("openai_text-davinci-002", ("", "", "GPT")),
        ("qwen_qwen1.5-110b-chat", ("above 100B", "", "Qwen")),
    ],
)
def test_real_names_go_where_a_reader_would_put_them(name: str, expected: tuple[str, str, str]) -> None:
    assert where(name) == expected


def test_small_and_full_communities_are_left_out_and_said() -> None:
    found = communities_of(pool("a-7b", "b-7b", "c-7b", "d-13b-math"))
    assert list(zip(found.kinds, found.names, strict=True)) == [("size", "7B")]
    assert found.members.tolist() == [[True, True, True, False]]
    assert "Left out, size with fewer than 3 models: 13B (1)." in found.notes
    assert "Left out, specialty with fewer than 3 models: math (1)." in found.notes
    everyone = communities_of(pool("a-7b", "b-7b", "c-7b"))
    assert everyone.members.shape == (0, 3)
    assert "All 3 models are in size 7B: nobody is outside to compare with." in everyone.notes


def test_metadata_replaces_what_names_say() -> None:
    models = pool("x-7b", "y-7b", "z", "w", parameters=[70e9, 70e9, 71e9, None], family=["p", "p", "p", ""])
    found = communities_of(models)
    assert list(zip(found.kinds, found.names, strict=True)) == [("size", "70B"), ("family", "p")]
    assert found.table()["size"].tolist() == ["70B", "70B", "70B", ""]
    only = communities_of(models, ["family"])
    assert only.kinds == ("family",)
    assert communities_of(models, []).kinds == ()  # names only: two 7B are too few


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(DataError, match="there is no metadata column 'tribe'; the models have: family"):
        communities_of(pool("a", "b", family=["p", "q"]), ["tribe"])


def test_simulated_pools_bring_families_and_sizes() -> None:
    found = communities_of(simulate(models=60, questions=40).models)
    assert {"size", "family", "specialty"} <= set(found.kinds)
    assert set(found.table().columns) == {"model", "size", "family", "specialty"}
    assert (found.members.sum(axis=1) >= 3).all()
    assert np.all(found.members.sum(axis=1) < 60)


def test_many_small_communities_are_counted_instead_of_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedllm.probing.communities.MOST_LISTED", 2)
    found = communities_of(pool("a-7b", "b-7b", "c-7b", "d-13b", "e-34b", "f-70b", "g-180b"))
    assert "Left out, size with fewer than 3 models: 13B (1), 34B (1), 2 more." in found.notes
