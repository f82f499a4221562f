"""The tables of the probing design in plain sentences that claim no more than the tests carry."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ablations.sentences import listed, percent

LEVEL = 0.05
ALIKE = 1e-9
"""Shares of questions that differ by less are the same."""
MOST_NAMED = 4
"""Longer lists of communities are cut; the table has all."""
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
    """What must not be concluded from distances."""
    said = list(tables["notes"]["note"])
    ability = tables["ability"]
    communities = bool(len(tables["communities"]))
    if len(ability):
        shares = ", ".join(f"{percent(row['explained'])} in {row['space']} space" for _, row in ability.iterrows())
        said.append(
            "Ability is a confounder: of the variance of distances, differences and levels of mean accuracy explain "
            f"{shares}."
            + (
                " A community of similarly strong models lies together without sharing anything else; read the tests "
                "with ability removed alongside the plain ones."
                if communities
                else ""
            )
        )
    seeds = int(tables["spaces"]["seeds"].max())
    dampened = f"Averaging over {seeds} seeds dampens it." if seeds > 1 else "Averaging over seeds would dampen it."
    said.append(
        "Embedding distances are not determined by the data: another factorisation with the same predictions has "
        f"different distances, and part of the random initialisation remains in them. {dampened} Function and profile "
        "distances depend on the predictions alone."
    )
    if communities:
        said.append(
            "Communities come from names and metadata, not from training data. Missing or misread names weaken "
            "a test but do not make random communities significant. p-values are one-sided permutation tests over "
            "models, Holm-adjusted over the communities of a test; models of one family are not independent of each "
            "other."
        )
    if "t-SNE" in set(tables["maps"]["method"]):
        said.append(
            "t-SNE preserves neighbourhoods only: distances between groups and sizes of groups carry no meaning."
        )
    return said


def _communities(frame: pd.DataFrame) -> list[str]:
    said = []
    for space, title in SPACE_TITLES.items():
        if not len(frame):
            continue
        plain = frame[(frame["space"] == space) & (frame["ability"] == "kept")]
        nearer, sure = plain[plain["difference"] > 0], plain[plain["holm"] < LEVEL]
        removed = frame[(frame["space"] == space) & (frame["ability"] == "removed")]
        rest = f"; with ability removed: {_listed(removed[removed['holm'] < LEVEL])}" if len(removed) else ""
        said.append(
            f"**In {title}, {len(sure)} of {len(plain)} communities {_are(sure)} significantly closer together than "
            f"random ones.** Holm-adjusted: {_listed(sure)}{rest}. By the paper's criterion, a smaller mean distance "
            f"between members than to outsiders, {len(nearer)} of {len(plain)} {_are(nearer)} (the paper: 6 of 6)."
        )
    return said


def _are(rows: pd.DataFrame) -> str:
    return "is" if len(rows) == 1 else "are"


def _kinds(frame: pd.DataFrame) -> list[str]:
    """One permutation test over all communities of a kind."""
    if not len(frame):
        return []
    told, kept = [], frame[frame["ability"] == "kept"]
    for kind, rows in kept.groupby("kind", sort=False):
        parts = []
        for _, row in rows.iterrows():
            removed = frame[
                (frame["kind"] == kind) & (frame["space"] == row["space"]) & (frame["ability"] == "removed")
            ]
            without = f" (ability removed: {_number(removed['holm'].iloc[0])})" if len(removed) else ""
            parts.append(f"{row['space']} space p {_p(row['holm'])}{without}")
        told.append(f"{kind}: {', '.join(parts)}")
    sure = list(dict.fromkeys(kept[kept["holm"] < LEVEL]["kind"]))
    claim = (
        "; ".join(_kind_claim(frame[frame["kind"] == kind], kind) for kind in sure)
        if sure
        else "models of one community are not distinguishable from others by their distances"
    )
    return [
        f"**Taking all communities of a kind together, {claim}.** "
        f"{'; '.join(told)}. (One-sided permutation tests, Holm-adjusted over kinds and spaces.)"
    ]


def _kind_claim(rows: pd.DataFrame, kind: str) -> str:
    """In which spaces a kind is significant, and what remains of it without ability."""
    found = rows[rows["holm"] < LEVEL]
    kept, removed = (found[found["ability"] == ability]["space"].tolist() for ability in ("kept", "removed"))
    claim = f"models of one {kind} lie closer together than chance in {listed(kept)} space"
    if not (rows["ability"] == "removed").any():
        return claim
    return f"{claim}, with ability removed in {f'{listed(removed)} space' if removed else 'none'}"


def _listed(rows: pd.DataFrame) -> str:
    """The surest few by name."""
    shown = rows.sort_values("holm", kind="stable").head(MOST_NAMED)
    named = [
        f"{row['kind']} {row['community']} (n = {row['members']}, p {_p(row['holm'])})" for _, row in shown.iterrows()
    ]
    more = f" and {len(rows) - len(shown)} more" if len(rows) > len(shown) else ""
    return f"{', '.join(named)}{more}" if named else "none"


def _neighbours(neighbours: pd.DataFrame, ranks: pd.DataFrame, pairs: pd.DataFrame) -> list[str]:
    overall, spaces, agreement, hits, models = 1 - pairs["disagreement"].mean(), [], [], [], 0
    for space in SPACE_TITLES:
        nearest = neighbours[(neighbours["space"] == space) & (neighbours["rank"] == 1)]
        first = ranks[(ranks["space"] == space) & (ranks["rank"] == 1)]
        if len(nearest) and not first["agreement"].isna().all():
            spaces.append(space)
            agreement.append(percent(first["agreement"].iloc[0], 1))
            known = nearest["agreement_rank"].dropna()  # the nearest may share no question with the model
            hits.append(percent((known == 1).mean()))
            models = len(nearest)
    if not spaces:
        return []
    said = (
        f"**A model and its nearest neighbour in {listed(spaces)} space are both right or both wrong on "
        f"{listed(agreement)} of the test questions, an average pair on {percent(overall, 1)}.**"
    )
    # Where all pairs agree alike, nobody agrees most: the first among equals is only the first row.
    if np.ptp(pairs["disagreement"].dropna()) > ALIKE:
        said += (
            f" The nearest neighbour is also the one that agrees most for {listed(hits)} of the {models} models "
            f"(by chance: {percent(1 / max(1, models - 1))})."
        )
    return [said]


def _correlations(frame: pd.DataFrame) -> list[str]:
    """Whether distance tracks disagreement, with and without what ability explains of both. Claimed by Spearman."""
    rows = frame[frame["with"] == "disagreement"] if len(frame) else frame
    kept = [row for _, row in rows[rows["ability"] == "kept"].iterrows()] if len(rows) else []
    if not kept:
        return []
    removed = [row for _, row in rows[rows["ability"] == "removed"].iterrows()]
    told: dict[bool, list[str]] = {True: [], False: []}
    for row in kept:
        clear = row["spearman_holm"] < LEVEL and row["spearman"] > 0
        told[clear].append(f"{row['spearman']:.2f} (p {_p(row['spearman_holm'])}) in {row['space']} space")
    found, rest = ", ".join(told[True]), ", ".join(told[False])
    if not found:
        claim = f"No evidence that distance tracks disagreement on test questions in any space: Spearman {rest}"
    else:
        claim = (
            f"Distance tracks disagreement on test questions: Spearman {found}{'; no evidence: ' if rest else ''}{rest}"
        )
    text = f"**{claim}.** {_coefficients(kept, 'pearson')}"
    if removed:
        text += (
            f"; with ability removed from both {_coefficients(removed, 'spearman')}, "
            f"{_coefficients(removed, 'pearson')}"
        )
    pairs = f"{kept[0]['pairs']:,} pairs of {kept[0]['models']} models"
    return [f"{text} ({pairs}, one-sided Mantel tests, Holm-adjusted over the spaces)."]


def _coefficients(rows: "list[pd.Series[float]]", name: str) -> str:
    """A coefficient in every space, each with its own p-value."""
    told = (f"{row[name]:.2f} (p {_p(row[f'{name}_holm'])})" for row in rows)
    return f"{name.capitalize()} in {listed([str(row['space']) for row in rows])} space {', '.join(told)}"


def _p(value: float) -> str:
    return _number(value) if value < 0.001 else f"= {_number(value)}"


def _number(p: float) -> str:
    """A p-value where no `p =` stands before it."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
