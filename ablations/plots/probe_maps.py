"""Maps of models for the probing design, with names beside their points where there is room."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.transforms import Bbox

from ablations.design import Drawing
from ablations.probe.findings import SPACE_TITLES
from ablations.sentences import percent
from embedllm.figures import COLOURS, distinct_names, new_figure, sequential_cmap, shortening
from embedllm.probing.communities import SIZE_CLASSES

GROUP_STYLES = tuple(
    zip(
        ("blue", "vermillion", "green", "orange", "purple", "sky", "olive", "ink"),
        ("o", "s", "^", "D", "v", "P", "X", "p"),
        strict=True,
    )
)
LABELLED_POINTS = 30
"""Up to so many models have their names beside their points, on the map where they lie least upon each other."""
MOST_KINDS = 6
"""So many kinds of community have maps of their own: a metadata table may have a hundred columns."""
LABEL_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
"""Where a name can stand, the best first: sideways (1 = towards the middle of the map) and upwards from its point."""
EDGE: Mapping[str, Any] = {"edgecolors": COLOURS["grey"], "linewidths": 0.4}
"""Of points whose colours begin near white."""
ROW_HEIGHT, PAGE_HEIGHT, NAMED_ROW = 2.35, 9.4, 1.6
"""Inches of a row of maps and of a page; and how many rows' height a row of named points has at most."""
MARKER_RADIUS, LABEL_GAP = 1.9, 3.0
"""Of a marker, and between its middle and its name, in points."""


def draw_maps(tables: Mapping[str, pd.DataFrame], space: str) -> Drawing:
    """One space: a row of maps per kind of community and one for accuracy, a column per method."""
    maps, models, members = tables["maps"], tables["models"], tables["members"]
    rows = maps[maps["space"] == space].merge(models, on="model", how="left")
    methods = list(dict.fromkeys(rows["method"]))
    kinds, shown = list(dict.fromkeys(members["kind"])), _shown_kinds(members)
    lines: list[str | None] = [*shown, None]  # the last is mean accuracy: a kind may have its name
    # The last map has names if any has: it is taller, as far as the page is long enough.
    last_row = (
        min(NAMED_ROW, max(1.0, PAGE_HEIGHT / ROW_HEIGHT - len(shown))) if len(models) <= LABELLED_POINTS else 1.0
    )
    figure, grid = new_figure(
        "double", height=ROW_HEIGHT * (len(shown) + last_row), nrows=len(lines), ncols=len(methods) + 1, squeeze=False,
        width_ratios=[*[1.0] * len(methods), 0.42], height_ratios=[*[1.0] * len(shown), last_row],
    )  # fmt: skip
    for line, kind in enumerate(lines):
        beside = grid[line][-1]
        beside.set_axis_off()
        for column, method in enumerate(methods):
            axis, points = grid[line][column], rows[rows["method"] == method]
            if kind is None:
                image = axis.scatter(
                    points["x"], points["y"], c=points["accuracy"], cmap=sequential_cmap(), s=14, **EDGE
                )
            else:
                _coloured_by_group(axis, points, members[members["kind"] == kind])
            axis.set_xticks([])
            axis.set_yticks([])
            axis.margins(0.08)
            if line == 0:
                axis.set_title(method)
            first = points.iloc[0]
            shares = (
                tuple(f" ({percent(first[name])})" for name in ("share_x", "share_y")) if method == "PCA" else ("", "")
            )
            axis.set_xlabel(f"{method} 1{shares[0]}" if kind is None else "")
            axis.set_ylabel(f"{method} 2{shares[1]}")
        if kind is None:
            inset = beside.inset_axes((0.0, 0.1, 0.12, 0.8))
            figure.colorbar(image, cax=inset, label="mean accuracy")
            inset.grid(visible=False)
        else:
            handles = grid[line][0].get_legend_handles_labels()
            beside.legend(*handles, loc="center left", bbox_to_anchor=(-0.1, 0.5), fontsize=6.8, title=_short(kind))
    # Only now: every other piece has its place.
    last = rows[rows["method"] == methods[-1]]
    named = _name_points(grid[-1][len(methods) - 1], last) if len(last) <= LABELLED_POINTS else {}
    tsne = "t-SNE" in methods
    return Drawing(
        f"map_{space}",
        figure,
        rows.drop(columns=["space"]),
        f"{'Maps' if tsne else 'Map'} of {len(models)} models in {SPACE_TITLES[space]}{over_seeds(tables)}: principal "
        f"components (with their share of the variance){' and t-SNE' if tsne else ''}, coloured by "
        f"{', '.join([*map(_short, shown), 'mean accuracy'])}."
        f"{_of_kinds(len(shown), len(kinds))}"
        f"{' A model with several labels of a kind shows the first.' if kinds else ''}"
        f"{' t-SNE preserves neighbourhoods, not distances.' if tsne else ''} {_naming(named, len(last))}",
    )


def over_seeds(tables: Mapping[str, pd.DataFrame]) -> str:
    """What distances are means of."""
    seeds = int(tables["spaces"]["seeds"].max())
    return f", mean over {seeds} seeds" if seeds > 1 else ", one seed"


def _shown_kinds(members: pd.DataFrame) -> list[str]:
    """The kinds that have most models in a community, in the order of the table."""
    sizes = members.groupby("kind", sort=False)["model"].nunique()
    return [str(kind) for kind in sizes[sizes.rank(method="first", ascending=False) <= MOST_KINDS].index]


def _short(kind: str) -> str:
    return distinct_names([kind], whole=True)[0]


def _of_kinds(shown: int, kinds: int) -> str:
    if shown == kinds:
        return ""
    return f" Of {kinds} kinds of community these {shown} have most models; the table has all."


def _coloured_by_group(axis: Any, points: pd.DataFrame, members: pd.DataFrame) -> None:
    """One mark per model, of the first community of this kind that it is in."""
    group = points["model"].map(members.drop_duplicates("model").set_index("model")["community"]).fillna("")
    sizes = group[group != ""].value_counts()
    named = sorted(sizes.sort_values(ascending=False, kind="stable").index[: len(GROUP_STYLES)], key=_size_order)
    rest = ~group.isin(named)
    if rest.any():
        style = {"color": COLOURS["grey"], "markersize": 3, "label": f"other or unknown ({rest.sum()})"}
        axis.plot(points["x"][rest], points["y"][rest], ".", **style)
    titles = distinct_names(named, whole=True)
    for name, title, (colour, marker) in zip(named, titles, GROUP_STYLES, strict=False):
        chosen = group == name
        style = {"color": COLOURS[colour], "markersize": 3.8, "label": f"{title} ({sizes[name]})"}
        axis.plot(points["x"][chosen], points["y"][chosen], marker, **style)


def _size_order(name: str) -> tuple[int, str]:
    known = [label for label, _ in SIZE_CLASSES]
    return (known.index(name) if name in known else len(known), name)


def _name_points(axis: Any, points: pd.DataFrame) -> dict[str, str]:
    """Names beside their points, clear of other names and points; model -> its name, of those that found a place."""
    figure = axis.figure
    figure.set_dpi(rcParams["savefig.dpi"])  # as :func:`save` lays out: letters are not as wide at every resolution
    figure.draw_without_rendering()
    radius = MARKER_RADIUS * figure.dpi / 72
    places = axis.transData.transform(points[["x", "y"]].to_numpy())
    taken = [Bbox([place - radius, place + radius]) for place in places]
    named = {}
    for text, (_, row) in zip(distinct_names(points["model"].tolist()), points.iterrows(), strict=True):
        label = axis.annotate(text, (row["x"], row["y"]), xytext=(0, 0), textcoords="offset points", fontsize=5.2)
        label.set_in_layout(False)
        box = _place(label, axis, taken)
        if box is None:
            label.remove()
        else:
            taken.append(box)
            named[str(row["model"])] = text
    return named


def _place(label: Any, axis: Any, taken: list[Bbox]) -> Bbox | None:
    """Move a name to the first side where it meets nothing and stays within the axes, clear of the colour bar."""
    frame = axis.get_window_extent()
    inwards = 1 if axis.transData.transform(label.xy)[0] <= (frame.x0 + frame.x1) / 2 else -1
    for sideways, up in LABEL_SIDES:
        right = sideways * inwards
        gap = LABEL_GAP / np.hypot(right, up)
        label.set(
            position=(right * gap, up * gap),
            ha={1: "left", 0: "center", -1: "right"}[right],
            va={1: "bottom", 0: "center", -1: "top"}[up],
        )
        box = label.get_window_extent()
        inside = frame.x0 < box.x0 and box.x1 < frame.x1 and frame.y0 < box.y0 and box.y1 < frame.y1
        if inside and not box.count_overlaps(taken):
            return box
    return None


def _naming(named: Mapping[str, str], models: int) -> str:
    """Which models the last map names, and how."""
    if models > LABELLED_POINTS:
        return f"No model is named, for there are more than {LABELLED_POINTS}; the figure's table has the names."
    left_out = models - len(named)
    verb = "has" if left_out == 1 else "have"
    missing = (
        f" ({left_out} {verb} no room beside {'its point' if left_out == 1 else 'their points'})" if left_out else ""
    )
    short = shortening(list(named), list(named.values()))
    where = " The figure's table has all names in full." if left_out or short else ""
    which = "all" if not left_out else len(named) if named else "none"
    return f"The last map names {which} of the {models} models{missing}.{' ' if short else ''}{short}{where}"
