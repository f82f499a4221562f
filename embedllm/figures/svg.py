"""SVG files made part of an HTML page: nothing outside the page is referred to, nothing in them can run, and no two
figures share an id."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from embedllm.errors import DataError

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"
REMEDY = "delete the folder of figures and draw them again"
SCREEN_SCALE = 1.25
"""On a screen figures are this much larger than in print: 8 pt letters read as 10 pt."""

DROPPED = (f"{SVG}metadata", f"{SVG}style", f"{SVG}script", f"{SVG}title")
DRAWN = ("svg", "g", "defs", "use", "path", "rect", "clipPath", "image", "text", "tspan", "circle", "ellipse", "line",
         "polyline", "polygon", "pattern", "linearGradient", "radialGradient", "stop")  # fmt: skip
"""Elements that draw and do nothing else; a figure from an untrusted folder may hold others."""


def inline_svg(path: Path, prefix: str, label: str) -> str:
    """The drawing as an `<svg>` element for an HTML page.

    Args:
        path: an SVG file made by :func:`embedllm.figures.save_figure`.
        prefix: put before every id, and unique on the page.
        label: read aloud in place of the drawing.

    Raises:
        DataError: if it cannot be read, refers to anything outside itself, or holds more than a drawing.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise DataError(str(path), [f"the figure cannot be read ({error}); {REMEDY}"]) from error
    for parent in root.iter():
        for child in [child for child in parent if child.tag in DROPPED]:
            parent.remove(child)
    for element in root.iter():
        element.tag = str(element.tag).removeprefix(SVG)
        if element.tag not in DRAWN:
            raise DataError(str(path), [f"it holds {element.tag!r}, which is no part of a drawing; {REMEDY}"])
        attributes = {name: _attribute(name, value, prefix, path) for name, value in element.attrib.items()}
        element.attrib.clear()
        element.attrib.update({name.removeprefix(XLINK): value for name, value in attributes.items()})
        element.tail = None
        if element.text is not None and not element.text.strip():
            element.text = None
    width = float(root.attrib.pop("width").removesuffix("pt"))
    del root.attrib["height"]
    root.attrib.pop("version", None)
    root.attrib |= {"role": "img", "aria-label": label, "style": f"width: {width * SCREEN_SCALE:.0f}pt"}
    return ElementTree.tostring(root, encoding="unicode")


def _attribute(name: str, value: str, prefix: str, path: Path) -> str:
    if name.lower().startswith("on"):
        raise DataError(str(path), [f"it holds {name!r}, which runs a script; {REMEDY}"])
    if name == "id":
        return f"{prefix}{value}"
    if name.removeprefix(XLINK) == "href":
        if value.startswith("#"):
            return f"#{prefix}{value[1:]}"
        if not value.startswith("data:image/"):
            raise DataError(str(path), [f"it refers to {value!r}; a figure must hold all it shows; {REMEDY}"])
    if re.search(r"url\((?!#)", value):
        raise DataError(str(path), [f"it refers to {value!r}; a figure must hold all it shows; {REMEDY}"])
    return re.sub(r"url\(#", f"url(#{prefix}", value)
