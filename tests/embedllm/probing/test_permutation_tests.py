"""The permutation tests, against loops, exact p-values and what was planted."""

import itertools

import numpy as np
import pytest

from embedllm.errors import DataError
from embedllm.probing import Communities, community_distances, embedding_space, kind_distances, without_ability


def group(*members: np.ndarray) -> Communities:
    names = tuple(f"c{number}" for number in range(len(members)))
    models = tuple(f"m{number}" for number in range(len(members[0])))
    return Communities(models, ("kind",) * len(members), names, np.stack(members))


def first(count: int, of: int) -> np.ndarray:
    return np.arange(of) < count


def test_intra_and_inter_are_plain_means() -> None:
    generator = np.random.default_rng(3)
    distances = embedding_space([generator.normal(size=(8, 3))]).distances
    member = np.array([True, False, True, True, False, False, True, False])
    (row,) = community_distances(distances, group(member), permutations=9).to_dict("records")
    inside = [distances[a, b] for a, b in itertools.combinations(range(8), 2) if member[a] and member[b]]
    across = [distances[a, b] for a, b in itertools.combinations(range(8), 2) if member[a] != member[b]]
    assert row["intra"] == pytest.approx(np.mean(inside))
    assert row["inter"] == pytest.approx(np.mean(across))
    assert row["difference"] == pytest.approx(np.mean(across) - np.mean(inside))


def test_the_p_value_approaches_the_exact_one() -> None:
    generator = np.random.default_rng(4)
    vectors = generator.normal(size=(8, 2))
    vectors[:3] *= 0.6
    distances = embedding_space([vectors]).distances
    inside = np.triu(np.ones((8, 8), dtype=bool), 1)

    def gap(members: tuple[int, ...]) -> float:
        chosen = np.isin(np.arange(8), members)
        intra = inside & np.outer(chosen, chosen)
        inter = inside & (chosen[:, None] != chosen[None])
        return distances[inter].mean() - distances[intra].mean()

    gaps = np.array([gap(members) for members in itertools.combinations(range(8), 3)])
    exact = np.mean(gaps >= gap((0, 1, 2)) - 1e-12)
    found = community_distances(distances, group(first(3, 8)), permutations=20_000)["p"][0]
    assert found == pytest.approx(exact, abs=0.015)


def test_a_planted_community_is_found_and_p_values_are_adjusted_for_their_number() -> None:
    generator = np.random.default_rng(5)
    vectors = generator.normal(size=(40, 6))
    vectors[:6] += (4, 0, 0, 0, 0, 0)
    others = [generator.permutation(first(6, 40)) for _ in range(3)]
    frame = community_distances(embedding_space([vectors]).distances, group(first(6, 40), *others))
    assert frame["p"][0] == pytest.approx(1e-4)
    assert frame["holm"][0] == pytest.approx(4e-4)
    assert frame["difference"][0] > frame["chance_high"][0]
    assert (frame["holm"][1:] > 0.05).all()
    assert (frame["holm"] >= frame["p"]).all()


def test_random_communities_are_found_no_more_often_than_the_level() -> None:
    generator = np.random.default_rng(6)
    p_values = []
    for _ in range(20):
        distances = embedding_space([generator.normal(size=(30, 4))]).distances
        random = [generator.permutation(first(5, 30)) for _ in range(20)]
        p_values.append(community_distances(distances, group(*random), permutations=499)["p"].to_numpy())
    rate = np.mean(np.concatenate(p_values) <= 0.05)
    assert 0.02 <= rate <= 0.085  # 400 tests, not independent within a pool: standard error about 0.011 and more


def test_a_community_that_is_only_strong_goes_away_with_ability() -> None:
    found_before, found_after = 0, 0
    generator = np.random.default_rng(7)
    for _ in range(20):
        ability = np.sort(generator.uniform(0.2, 0.8, 40))
        vectors = 6 * ability[:, None] * generator.normal(size=4) + generator.normal(size=(40, 4)) * 0.5
        distances = embedding_space([vectors]).distances
        strong = ability + generator.normal(0, 0.08, 40) > np.quantile(ability, 0.7)
        rest, explained = without_ability(distances, ability)
        assert 0.2 < explained <= 1
        found_before += community_distances(distances, group(strong), permutations=299)["p"][0] <= 0.05
        found_after += community_distances(rest, group(strong), permutations=299)["p"][0] <= 0.05
    assert found_before >= 18
    assert found_after <= 4


def test_a_planted_community_survives_the_removal_of_ability() -> None:
    generator = np.random.default_rng(8)
    ability = generator.uniform(0.2, 0.8, 40)
    vectors = 4 * ability[:, None] * np.array([1, 0, 0, 0]) + generator.normal(size=(40, 4)) * 0.3
    vectors[:6, 3] += 1.5
    rest, _ = without_ability(embedding_space([vectors]).distances, ability)
    assert community_distances(rest, group(first(6, 40)))["p"][0] < 0.01


def test_ability_that_is_all_there_is_explains_everything() -> None:
    ability = np.linspace(0.1, 0.9, 12)
    distances = np.abs(ability[:, None] - ability[None])
    rest, explained = without_ability(distances, ability)
    assert explained == pytest.approx(1)
    assert np.abs(rest).max() < 1e-9
    constant = 1.0 - np.eye(12)
    assert without_ability(constant, ability)[1] == 0


@pytest.mark.parametrize("count", [0, 1, 6])
def test_communities_without_pair_or_outsider_are_refused(count: int) -> None:
    distances = embedding_space([np.eye(6)]).distances
    with pytest.raises(DataError, match=f"kind c0 has {count} of 6 models; needed: 2 to 5"):
        community_distances(distances, group(first(count, 6)))


def test_equal_distances_show_no_community() -> None:
    distances = embedding_space([np.eye(6)]).distances
    frame = community_distances(distances, group(first(3, 6)), permutations=99)
    assert frame["p"][0] == 1
    assert frame["difference"][0] == pytest.approx(0)


def test_unknown_ability_and_nan_distances_are_refused() -> None:
    with pytest.raises(DataError, match="at least 4 models with a known ability; 3 have one"):
        without_ability(np.zeros((4, 4)), np.array([0.1, 0.2, np.nan, 0.3]))
    with pytest.raises(DataError, match="needed: finite numbers of shape"):
        community_distances(np.full((6, 6), np.nan), group(first(3, 6)))


def test_a_kind_is_tested_as_a_whole() -> None:
    generator = np.random.default_rng(9)
    vectors = generator.normal(size=(30, 5))
    families = np.repeat(np.arange(10), 3)
    vectors[:24] += 0.9 * generator.normal(size=(10, 5))[families[:24]]
    members = [families == family for family in range(8)]
    distances = embedding_space([vectors]).distances
    (row,) = kind_distances(distances, group(*members)).to_dict("records")
    inside = families[:24, None] == families[None, :24]
    upper = np.triu(np.ones((24, 24), dtype=bool), 1)
    part = distances[:24, :24]
    assert (row["communities"], row["models"]) == (8, 24)
    assert row["same"] == pytest.approx(part[inside & upper].mean())
    assert row["different"] == pytest.approx(part[~inside & upper].mean())
    assert row["p"] < 0.01
    assert not len(kind_distances(distances, group(first(5, 30))))  # nobody of another community of the kind


def test_a_kind_of_random_communities_keeps_the_level() -> None:
    generator = np.random.default_rng(10)
    p_values = []
    for number in range(120):
        distances = embedding_space([generator.normal(size=(20, 4))]).distances
        families = generator.permutation(np.repeat(np.arange(5), 4))
        frame = kind_distances(
            distances, group(*(families == family for family in range(5))), permutations=99, seed=number
        )
        p_values.append(frame["p"][0])
    assert 0.005 <= np.mean(np.array(p_values) <= 0.05) <= 0.11
