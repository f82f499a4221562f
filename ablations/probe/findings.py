"""The tables of the probing design in plain sentences that claim no more than the tests carry."""

from collections.abc import Mapping

import pandas as pd

LEVEL = 0.05
SPACE_TITLES = {
    "embedding": "embedding space (the paper's)",
    "function": "function space (predictions)",
    "profile": "profile space (level removed)",
}


def findings(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Communities in both spaces, neighbours, agreement."""
    return [
        *_communities(tables["communities"]),
        *_kinds(tables["kinds"]),
        *_neighbours(tables["neighbours"], tables["ranks"], tables["pairs"]),
        *_correlations(tables["correlations"]),
    ]


def caveats(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What distances cannot tell."""
    said = list(tables["notes"]["note"])
    for _, row in tables["ability"].iterrows() if len(tables["ability"]) else ():
        said.append(
            f"Ability is a confounder: differences and levels of mean accuracy explain {row['explained']:.0%} of the "
            f"variance of distances in {SPACE_TITLES[row['space']]}. A community of similarly strong models lies "
            "together "
            "without sharing anything else; read the tests with ability removed beside the plain ones."
        )
    said.append(
        "Embedding distances are not determined by the data: another factorisation with the same predictions has other "
        "distances, and what random initialisation put there stays in part. Averaging over "
        f"{int(tables['spaces']['seeds'].max())} seeds dampens it. Function and profile distances "
        "depend on the predictions alone."
    )
    said.append(
        "Communities come from names and metadata, not from training data. Names left out or misread weaken a test; "
        "they "
        "do not make random communities significant. p-values are one-sided permutation tests over models, "
        "Holm-adjusted "
        "over the communities of a test; models of one family are not independent of each other."
    )
    said.append("t-SNE keeps neighbourhoods only: distances between groups, and sizes of groups, mean nothing.")
    return said


def _communities(frame: pd.DataFrame) -> list[str]:
    said = []
    for space, title in SPACE_TITLES.items():
        if not len(frame):
            continue
        plain = frame[(frame["space"] == space) & (frame["ability"] == "kept")]
        nearer, sure = plain[plain["difference"] > 0], plain[plain["holm"] < LEVEL]
        text = (
            f"In {title}, {len(nearer)} of {len(plain)} communities have a smaller mean distance inside than to "
            f"outsiders (the paper's comparison: all of its 6); more than a random community would, after Holm's "
            f"adjustment, for {_listed(sure)}."
        )
        removed = frame[(frame["space"] == space) & (frame["ability"] == "removed")]
        if len(removed):
            text += f" With ability removed: {_listed(removed[removed['holm'] < LEVEL])}."
        said.append(text)
    return said


def _kinds(frame: pd.DataFrame) -> list[str]:
    parts = []
    for space, rows in frame.groupby("space", sort=False) if len(frame) else []:
        for kept, title in (("kept", ""), ("removed", ", ability removed")):
            tests = [f"{row['kind']} p {_p(row['holm'])}" for _, row in rows[rows["ability"] == kept].iterrows()]
            if tests:
                parts.append(f"{space} space{title}: {', '.join(tests)}")
    if not parts:
        return []
    return [
        "Models of one community against models of different ones, all communities of a kind in one permutation test "
        f"(one-sided, Holm-adjusted over kinds): {'; '.join(parts)}."
    ]


def _listed(rows: pd.DataFrame) -> str:
    named = [
        f"{row['kind']} {row['community']} (n = {row['members']}, p {_p(row['holm'])})" for _, row in rows.iterrows()
    ]
    return f"{len(rows)}: {', '.join(named)}" if named else "none"


def _neighbours(neighbours: pd.DataFrame, ranks: pd.DataFrame, pairs: pd.DataFrame) -> list[str]:
    said = []
    overall = 1 - pairs["disagreement"].mean()
    for space in SPACE_TITLES:
        nearest = neighbours[(neighbours["space"] == space) & (neighbours["rank"] == 1)]
        first = ranks[(ranks["space"] == space) & (ranks["rank"] == 1)]
        if not len(nearest) or first["agreement"].isna().all():
            continue
        hits = (nearest["agreement_rank"] == 1).mean()
        said.append(
            f"In {space} space, a model and its nearest neighbour are both right or both wrong on "
            f"{first['agreement'].iloc[0]:.1%} of the test questions, an average pair on {overall:.1%}; for {hits:.0%} "
            "of "
            f"{len(nearest)} models the nearest neighbour is also the one that agrees most (by luck: "
            f"{1 / max(1, len(nearest) - 1):.0%})."
        )
    return said


def _correlations(frame: pd.DataFrame) -> list[str]:
    said = []
    for space in SPACE_TITLES:
        rows = frame[(frame["space"] == space) & (frame["with"] == "disagreement")]
        kept = {row["ability"]: row for _, row in rows.iterrows()}
        if "kept" not in kept:
            continue
        text = f"Distance in {space} space against disagreement on test questions: {_correlation(kept['kept'])}"
        if "removed" in kept:
            text += f"; with ability removed from both: {_correlation(kept['removed'])}"
        said.append(f"{text} ({kept['kept']['pairs']} pairs of {kept['kept']['models']} models).")
    return said


def _correlation(row: "pd.Series[float]") -> str:
    return (
        f"Pearson {row['pearson']:.2f} (Mantel p {_p(row['pearson_p'])}), Spearman {row['spearman']:.2f} "
        f"(p {_p(row['spearman_p'])})"
    )


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"
