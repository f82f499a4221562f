"""Packs: every trial in exactly one, none too large, none mixed, as few as possible."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from embedllm.config import FitConfig
from tune.engine.packing import Pack, choose_pack_size, fusion_key, make_packs

CONFIGS = st.builds(
    FitConfig,
    encoder=st.sampled_from(["a", "b"]),
    embedding_dim=st.integers(1, 300),
    batch_questions=st.sampled_from([None, 64]),
    epochs=st.sampled_from([5, 10]),
    training_questions=st.sampled_from([None, 100]),
)


@given(configs=st.lists(CONFIGS, max_size=40), size=st.integers(1, 12))
def test_packs_partition_the_trials(configs: list[FitConfig], size: int) -> None:
    packs = make_packs(list(enumerate(configs)), size, num_models=10, num_train=500)
    assert sorted(number for pack in packs for number, _ in pack.trials) == list(range(len(configs)))
    for pack in packs:
        assert 1 <= len(pack.trials) <= size
        assert len({fusion_key(config, 10, 500) for _, config in pack.trials}) == 1
        dims = [config.embedding_dim for _, config in pack.trials]
        assert dims == sorted(dims)
    per_key = Counter(fusion_key(config, 10, 500) for config in configs)
    assert len(packs) == sum(-(-count // size) for count in per_key.values())


def test_official_batch_and_its_number_share_packs() -> None:
    # 2,048 pairs of 32 models are 64 questions: the same batch, however it was asked for.
    packs = make_packs([(0, FitConfig()), (1, FitConfig(batch_questions=64))], 8, num_models=32, num_train=500)
    assert len(packs) == 1


def test_a_pack_splits_in_halves() -> None:
    pack = Pack(tuple((number, FitConfig()) for number in range(5)))
    first, second = pack.split()
    assert [number for number, _ in first.trials] == [0, 1, 2]
    assert [number for number, _ in second.trials] == [3, 4]
    assert first.attempt == second.attempt == 1
    single = Pack(((0, FitConfig()),)).split()
    assert [part.attempt for part in single] == [1]


@given(trials=st.integers(1, 5000), slots=st.integers(1, 64))
def test_chosen_size_is_sensible(trials: int, slots: int) -> None:
    assert 1 <= choose_pack_size(trials, slots, 3) <= min(4, trials)
    assert 1 <= choose_pack_size(trials, slots, 3, gpu=True) <= min(16, trials)
