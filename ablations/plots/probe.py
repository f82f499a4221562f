"""Figures of the probing design, from its tables alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import dendrogram as tree_lines

from ablations.design import Drawing
from ablations.plots.probe_maps import draw_maps, over_seeds
from ablations.probe.findings import SPACE_TITLES
from embedllm.figures import (
    COLOURS,
    count_on_log_axis,
    distinct_names,
    house_style,
    new_figure,
    sequential_cmap,
    shortening,
)

UNITS = {"embedding": "1 = average pair", "function": "log-odds", "profile": "log-odds"}
SPACES = tuple(SPACE_TITLES)
LONGEST_MODEL = 32
"""Characters of a model's name beside a heat map."""
MOST_NAMED_ROWS = 150
"""With more models the names beside a heat map would be too small to read, and it has none."""

UNNAMED_ROWS = (
    f" No model is named, for there are more than {MOST_NAMED_ROWS}; the figure's table has the names in this order."
)


@house_style()
def draw(tables: Mapping[str, pd.DataFrame]) -> list[Drawing]:
    """Those figures for which there are rows."""
    drawings = [_communities(tables)] if len(tables["communities"]) else []
    drawings += [draw_maps(tables, space) for space in SPACES]
    drawings += [_heat_map(tables, space) for space in SPACES]
    drawings.append(_agreement(tables))
    return drawings


def _communities(tables: Mapping[str, pd.DataFrame]) -> Drawing:
    frame = tables["communities"]
    plain = _community_rows(frame, SPACES[0], "kept")
    names = distinct_names(plain["community"].tolist(), whole=True)
    labels = [f"{name} ({members})" for name, members in zip(names, plain["members"], strict=True)]
    figure, grid = new_figure(
        "double", height=1.9 + 0.34 * len(labels), nrows=2, ncols=len(SPACES), sharey=True, height_ratios=[1, 1.15]
    )
    y = np.arange(len(labels))
    # Other marks than above: both rows of panels share a legend.
    styles = {
        "kept": ("green", "^", 0.18, "difference"),
        "removed": ("orange", "D", -0.18, "difference, ability removed"),
    }
    for column, space in enumerate(SPACES):
        rows = {kept: _community_rows(frame, space, kept) for kept in styles}
        above, below = grid[:, column]
        above.hlines(y, rows["kept"]["intra"], rows["kept"]["inter"], color=COLOURS["grey"], linewidth=0.8)
        above.plot(rows["kept"]["intra"], y, "o", color=COLOURS["blue"], label="between members")
        above.plot(rows["kept"]["inter"], y, "s", color=COLOURS["vermillion"], label="members to outsiders")
        above.set_title(SPACE_TITLES[space].replace(" (", "\n("))
        above.set_xlabel(f"mean distance ({UNITS[space]})")
        above.locator_params(axis="x", nbins=4)
        below.axvline(0, color=COLOURS["ink"], linewidth=0.8)
        for kept, (colour, marker, shift, title) in styles.items():
            if len(rows[kept]):
                below.hlines(
                    y + shift, rows[kept]["chance_low"], rows[kept]["chance_high"], color="#D3D8DD", linewidth=3.5,
                    label="95 % of random communities" if kept == "kept" else None,
                )  # fmt: skip
                _marks(below, rows[kept], y + shift, COLOURS[colour], marker, title)
        below.set_xlabel("outsiders − members\n→ closer together")
        below.locator_params(axis="x", nbins=4)
    for axis in grid[:, 0]:
        axis.set_yticks(y, labels)
        axis.set_ylim(-0.6, len(labels) - 0.4)
    shown = [axis.get_legend_handles_labels() for axis in grid[:, 0]]
    figure.legend(*(first + second for first, second in zip(*shown, strict=True)), loc="outside upper center", ncols=3)
    removed = (
        " Ability removed: residuals of distances after a fit on the pair's mean accuracies."
        if "removed" in set(frame["ability"])
        else ""
    )
    return Drawing(
        "communities",
        figure,
        frame,
        "Mean distance inside communities and to outsiders (above; number of models in brackets), and their difference "
        f"against random communities of the same size (below), {len(labels)} communities{over_seeds(tables)}.{removed} "
        "Filled marks: p < 0.05 by permutation, Holm-adjusted over the communities; open marks are not distinguishable "
        "from random communities.",
    )


def _marks(axis: Any, rows: pd.DataFrame, y: np.ndarray, colour: str, marker: str, title: str) -> None:
    sure = (rows["holm"] < 0.05).to_numpy()
    axis.plot([], [], marker, color=colour, label=title)
    for chosen, face in ((sure, colour), (~sure, "white")):
        axis.plot(rows["difference"].to_numpy()[chosen], y[chosen], marker, color=colour, markerfacecolor=face)


def _community_rows(frame: pd.DataFrame, space: str, kept: str) -> pd.DataFrame:
    return frame[(frame["space"] == space) & (frame["ability"] == kept)].iloc[::-1].reset_index(drop=True)


def _heat_map(tables: Mapping[str, pd.DataFrame], space: str) -> Drawing:
    pairs = tables["pairs"]
    order = tables["leaves"][tables["leaves"]["space"] == space].sort_values("place")["model"].tolist()
    place = {model: number for number, model in enumerate(order)}
    size = len(order)
    values = np.zeros((size, size))
    first, second = pairs["first"].map(place).to_numpy(), pairs["second"].map(place).to_numpy()
    values[first, second] = values[second, first] = pairs[space]
    merges = tables["merges"][tables["merges"]["space"] == space]
    figure, (tree, axis) = new_figure("double", height=min(9.4, 2.0 + 0.09 * size), ncols=2, width_ratios=[1, 4.2])
    drawn = tree_lines(merges[["left", "right", "distance", "members"]].to_numpy(dtype=np.float64), no_plot=True)
    for x, depth in zip(drawn["icoord"], drawn["dcoord"], strict=True):
        tree.plot(depth, (np.array(x) - 5) / 10, color=COLOURS["ink"], linewidth=0.6)
    # From just below the first merge: trees of far dimensions begin near their end, and nothing comes before.
    first_merge, last_merge = float(merges["distance"].min()), float(merges["distance"].max())
    start = max(0.0, first_merge - (0.1 * (last_merge - first_merge) or 0.1 * last_merge))
    tree.set_xlim(last_merge + (0.02 * (last_merge - start) or 1), start)
    tree.locator_params(axis="x", nbins=4)
    tree.set_ylim(size - 0.5, -0.5)
    tree.set_yticks([])
    tree.spines["left"].set_visible(False)
    tree.grid(visible=False)
    tree.set_xlabel(
        f"distance at merging\n({UNITS[space]})" + (f"\nstarts at {start:.2g}" if start else ""), fontsize=7
    )
    # From the smallest distance there is: the diagonal's zeros would spend half of the colours.
    image = axis.imshow(values, cmap=sequential_cmap().reversed(), vmin=float(pairs[space].min()), aspect="auto")
    axis.set_xticks([])
    axis.yaxis.tick_right()
    axis.spines[:].set_visible(False)
    axis.grid(visible=False)
    named = size <= MOST_NAMED_ROWS
    shown = distinct_names(order, LONGEST_MODEL) if named else []
    axis.set_yticks(range(len(shown)), shown, fontsize=min(7.0, 440 / size))
    axis.tick_params(length=0)
    figure.colorbar(
        image, ax=axis, location="bottom", shrink=0.6, aspect=40, pad=0.02, label=f"distance ({UNITS[space]})"
    )
    accuracy = tables["models"].set_index("model")["accuracy"]
    table = pd.DataFrame({"model": order, "accuracy": accuracy.reindex(order).to_numpy()})
    table = pd.concat([table, pd.DataFrame(values, columns=order)], axis=1)
    return Drawing(
        f"similarity_{space}",
        figure,
        table,
        f"Distances between {size} models in {SPACE_TITLES[space]}{over_seeds(tables)}, dark = similar, ordered "
        "by average-linkage clustering (left). Blocks along the diagonal are groups of models; the order of groups is "
        f"not unique.{_in_full(order, shown) if named else UNNAMED_ROWS}",
    )


def _agreement(tables: Mapping[str, pd.DataFrame]) -> Drawing:
    pairs, ranks, correlations = tables["pairs"], tables["ranks"], tables["correlations"]
    figure, grid = new_figure("double", height=2.2 * len(SPACES), nrows=len(SPACES), ncols=3)
    average = 1 - pairs["disagreement"].mean()
    titles = {"accuracy_gap": "difference in mean accuracy", "disagreement": "disagreement, test"}
    for line, space in enumerate(SPACES):
        chosen = correlations[(correlations["space"] == space) & (correlations["ability"] == "kept")]
        tests = {row["with"]: row for _, row in chosen.iterrows()}
        for axis, (column, title) in zip(grid[line], titles.items(), strict=False):
            axis.plot(
                pairs[space], pairs[column], "o", color=COLOURS["blue"], markersize=1.6, alpha=0.25, rasterized=True
            )
            axis.set_xlabel(f"distance ({UNITS[space]})")
            axis.set_ylabel(title)
            name = column.replace("_", " ")
            if name in tests:
                axis.set_title(f"r {tests[name]['pearson']:.2f}, ρ {tests[name]['spearman']:.2f}", loc="right")
        axis = grid[line][2]
        rows = ranks[ranks["space"] == space]
        axis.plot(rows["rank"], rows["agreement"], "o-", color=COLOURS["blue"], markersize=2.5)
        axis.axhline(average, color=COLOURS["ink"], linestyle="--", linewidth=0.9)
        axis.text(1.0, average, "average pair", va="top", fontsize=7)
        count_on_log_axis(axis, "k-th nearest neighbour")
        axis.set_ylabel("mean agreement, test")
        # One name per row, above its first panel, clear of the correlation on the right.
        grid[line][0].annotate(
            SPACE_TITLES[space], (0, 1), xytext=(-30, 17), xycoords="axes fraction", textcoords="offset points",
            weight="bold", fontsize=8.5,
        )  # fmt: skip
    tested = " r Pearson, ρ Spearman; pairs share models, so p-values are by Mantel's test; see the tables."
    tested = tested if len(correlations) else ""
    return Drawing(
        "agreement",
        figure,
        pairs,
        f"What distance tracks, over {len(pairs):,} pairs of models{over_seeds(tables)}: the difference in mean "
        f"accuracy (left; ability, the confounder), the share of the test questions ({_common(pairs)}) on which "
        f"exactly one of the two is right (middle), and agreement with the k-th nearest neighbour (right).{tested}",
    )


def _common(pairs: pd.DataFrame) -> str:
    """How many test questions both models of a pair have answered."""
    low, high = int(pairs["common_questions"].min()), int(pairs["common_questions"].max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,} per pair"


def _in_full(names: list[str], shown: list[str]) -> str:
    """Where names are that the figure shortens."""
    short = shortening(names, shown)
    return f" {short} The figure's table has all names in full." if short else ""
