"""The house style of figures: sizes for print, colours that survive colour blindness, marks that survive grey print.

Colours are Okabe and Ito's ("Color Universal Design", 2008). No colour carries meaning alone: every method has a marker
and a line style too. matplotlib's object interface is used throughout; pyplot's global state is never touched.
"""

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Literal

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from embedllm.titles import METHOD_NAMES

WIDTHS = {"single": 3.5, "double": 7.2}
"""Inches: one column, and both columns, of a paper."""
ROW_HEIGHTS = {"single": 2.5, "double": 2.8}
"""Inches of one row of panels."""

COLOURS: Mapping[str, str] = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "orange": "#E69F00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "olive": "#A08A00",
    "grey": "#8B929B",
    "ink": "#1F2328",
}
"""Okabe and Ito's colours in the order they are used. Their yellow, too light on white, is darkened to olive; `ink` is
text and the reference everything is measured against, `grey` what is to be seen second."""

GRID = "#E4E7EB"


_LOOKS = {
    "embedllm": ("blue", "o", "-"),
    "paper": ("ink", "D", "--"),
    "knn": ("vermillion", "s", "--"),
    "lookup": ("green", "^", "-."),
    "lookup_predicted": ("sky", "v", ":"),
    "model_mean": ("grey", "X", ":"),
    "logistic": ("orange", "P", "-."),
    "oracle": ("purple", "*", "-."),
    "single_best": ("olive", "p", "--"),
}
"""Method -> colour, marker and line; of each of :data:`embedllm.titles.METHOD_NAMES`."""

METHOD_TITLES: Mapping[str, str] = {name: METHOD_NAMES[name].title for name in _LOOKS}
"""Method -> its name in legends and tables, in the order of legends. Designs name methods so in their results."""
METHOD_COLOURS: Mapping[str, str] = {name: COLOURS[colour] for name, (colour, _, _) in _LOOKS.items()}
METHOD_MARKERS: Mapping[str, str] = {name: marker for name, (_, marker, _) in _LOOKS.items()}
METHOD_LINES: Mapping[str, str] = {name: line for name, (_, _, line) in _LOOKS.items()}

_RC: dict[Any, Any] = {
    # The font that matplotlib brings along: a figure looks the same wherever it is drawn.
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    # Names come from data: two `$` in one would be read as mathematics between them, mostly be an error in it, and be
    # measured as wide as the mathematics.
    "text.parse_math": False,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 6,
    "axes.labelsize": 8,
    "axes.labelpad": 3,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "figure.titlesize": 9,
    "figure.labelsize": 8,
    "figure.titleweight": "bold",
    "text.color": COLOURS["ink"],
    "axes.labelcolor": COLOURS["ink"],
    "axes.titlecolor": COLOURS["ink"],
    "xtick.labelcolor": COLOURS["ink"],
    "ytick.labelcolor": COLOURS["ink"],
    "axes.edgecolor": "#59636E",
    "xtick.color": "#59636E",
    "ytick.color": "#59636E",
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "axes.prop_cycle": cycler(color=[colour for name, colour in COLOURS.items() if name not in ("ink", "grey")]),
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "lines.markeredgewidth": 0.6,
    "scatter.edgecolors": "face",
    "errorbar.capsize": 2,
    "patch.linewidth": 0.6,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "legend.borderaxespad": 0.3,
    "legend.labelspacing": 0.35,
    "figure.facecolor": "white",
    "figure.constrained_layout.h_pad": 0.04,
    "figure.constrained_layout.w_pad": 0.04,
    "savefig.facecolor": "white",
    "savefig.dpi": 220,
    # Letters as shapes: the SVG needs no font at the reader's. A fixed salt: the same figure gives the same bytes.
    "svg.fonttype": "path",
    "svg.hashsalt": "embedllm",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw inside this context: matplotlib reads line widths, legend and font sizes when an artist is made.

    Also a decorator: `@house_style()`. Settings of the surrounding program come back at the end.

    Names come from data in any script; the font draws a box where it lacks a letter. matplotlib would say so for every
    letter and every time it measures one, which buries what a terminal should show: that warning is silenced, and the
    table beside a figure has the name.
    """
    with matplotlib.rc_context(_RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"(?s)Glyph .* missing from", category=UserWarning)
        yield


def new_figure(
    width: Literal["single", "double"] = "single",
    height: float | None = None,
    ncols: int = 1,
    nrows: int = 1,
    **subplot_kw: Any,
) -> tuple[Figure, Any]:
    """An empty figure in the house style, laid out without overlaps.

    Args:
        width: `single` is 3.5 in, one column of a paper; `double` 7.2 in, both.
        height: inches; None = 2.5 (double: 2.8) per row of panels.
        ncols: panels side by side.
        nrows: rows of panels.
        **subplot_kw: passed to :meth:`matplotlib.figure.Figure.subplots`: `sharex`, `width_ratios`, `squeeze`, …

    Returns:
        The figure, and its axes as matplotlib's `subplots` returns them: one, or an array of shape (nrows, ncols) with
        dimensions of length 1 squeezed.
    """
    with house_style():
        figure = Figure(figsize=(WIDTHS[width], height or ROW_HEIGHTS[width] * nrows), layout="constrained")
        return figure, figure.subplots(nrows, ncols, **subplot_kw)


def sequential_cmap() -> Colormap:
    """Light to dark, for quantities from low to high: even steps of lightness, readable in grey print."""
    return _stretch("YlGnBu", 0.08, 0.98)


def diverging_cmap() -> Colormap:
    """Vermillion over white to blue, for signed quantities: give it limits that are symmetric around zero."""
    return LinearSegmentedColormap.from_list(
        "embedllm-diverging", ["#8F3D00", COLOURS["vermillion"], "#F7F7F7", COLOURS["blue"], "#00436B"]
    )


def text_colour_on(colour: Any) -> str:
    """Black or white, whichever reads better on `colour`, as for the numbers in a heat map's cells.

    Args:
        colour: any matplotlib colour, such as what a colour map returns.
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]  # WCAG 2 relative luminance
    return "black" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "white"


def count_on_log_axis(axes: Axes, label: str) -> None:
    """A logarithmic x axis for something counted: ticks at 1, 2, 5, 10… written as numbers, not as powers.

    Where these would run together only 1, 3, 10… or 1, 10… are shown.

    Args:
        axes: whose x axis it is.
        label: what is counted.
    """
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(_RoomyLogLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"{label} (log scale)")


class _RoomyLogLocator(LogLocator):
    """Ticks at as many round numbers as can stand side by side on the axis, decided whenever it is drawn."""

    DENSITIES = ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,))
    DIGIT = 0.64
    """Width of a digit as a share of the font's size."""

    def tick_values(self, vmin: float, vmax: float) -> Any:
        shown: Any = ()
        for subs in self.DENSITIES:
            self.set_params(subs=subs)
            ticks = np.asarray(super().tick_values(vmin, vmax))
            inside = ticks[(ticks >= min(vmin, vmax)) & (ticks <= max(vmin, vmax))]
            if len(shown) and len(inside) < 2:
                break  # a log axis with one number on it has no scale
            shown = ticks
            if len(inside) > 1 and self._fit(inside, vmin, vmax):  # over many decades matplotlib gives none but powers
                break
        return shown

    def _fit(self, ticks: Any, vmin: float, vmax: float) -> bool:
        """Whether the numbers at these ticks leave a digit's width between them."""
        axes: Any = self.axis.axes  # type: ignore[union-attr]  # there is one whenever ticks are asked for
        points = axes.get_window_extent().width / axes.figure.dpi * 72 / abs(math.log10(vmax / vmin))
        digit = self.DIGIT * _RC["xtick.labelsize"]
        return all(
            (len(f"{left:,.0f}") + len(f"{right:,.0f}")) / 2 + 1 <= points * math.log10(right / left) / digit
            for left, right in pairwise(ticks)
        )


def _stretch(name: str, low: float, high: float) -> Colormap:
    steps = [low + (high - low) * step / 255 for step in range(256)]
    return LinearSegmentedColormap.from_list(f"embedllm-{name}", matplotlib.colormaps[name](steps))
