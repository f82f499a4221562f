"""One self-contained HTML page of all designs in a folder, from their tables and figures alone."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.folder import LATER_RUN, DesignFolder, design_folders
from ablations.redraw import reading_tables, redraw
from ablations.registry import design_classes, find_design
from embedllm.errors import ConfigError
from embedllm.figures.saved import read_captions

if TYPE_CHECKING:
    import pandas as pd

    from embedllm.figures import Page

REPORT_FILE = "report.html"
NOTHING = {False: "no design has finished yet", True: "the tables of no design can be read"}
"""Below the title of a report without any design, by whether some could not be read."""
SHOWN_ROWS = 40
"""Longer tables are named only, with the file that holds them."""


def write_report(directory: Path) -> Path:
    """Write `report.html` with every design's findings, figures, caveats, tables and provenance.

    Nothing is computed again: figures are taken as they were saved (and drawn where they are missing), sentences are
    made from the tables, and provenance is that of the tables. Designs without tables, because they never
    finished, are named, and so are those whose tables lack something, with what they lack.

    Args:
        directory: folder given as `--out`, with a folder per design.

    Returns:
        The file.

    Raises:
        ConfigError: if no design has results there.
        DataError: if figures are damaged.
    """
    from embedllm.figures import Page

    places = {name: place for place, name in enumerate(design_classes())}
    folders = sorted(design_folders(directory), key=lambda one: places.get(one.provenance["design"], len(places)))
    ready = [folder for folder in folders if folder.has_tables]
    unfinished = [folder.path.name for folder in folders if not folder.has_tables]
    told, unreadable = _all_told(ready)
    ready = [folder for folder in ready if folder.path.name in told]
    known = {folder.path.name: folder.tables_provenance for folder in ready}
    page = Page("Ablations", ", ".join(_data_lines(list(known.values()))) or NOTHING[bool(unreadable)])
    if unfinished:
        page.text(
            f"Not in this report because they have not finished: {', '.join(unfinished)}. Run them again; "
            "finished cells are kept."
        )
    for name, problem in unreadable.items():
        page.text(f"Not in this report: {name}. {problem[:1].upper()}{problem[1:]}.")
    if ready:
        page.section("Summary", "summary").table(
            _overview(known), caption="Designs, their cells and data.", formats={"cells": ",d"}
        )
        page.text("What each design found; numbers, figures and caveats are below.")
        for name, (_, findings, _) in told.items():
            page.heading(known[name]["title"]).bullets(_claims(findings) or findings[:1])
    for folder in ready:
        _design_section(page, folder, known[folder.path.name], *told[folder.path.name])
    target = directory / REPORT_FILE
    page.write(target)
    return target


def _all_told(
    folders: Sequence[DesignFolder],
) -> "tuple[dict[str, tuple[dict[str, pd.DataFrame], list[str], list[str]]], dict[str, str]]":
    """Folder's name -> tables, findings and caveats; and what is wrong with those that cannot be told."""
    told, unreadable = {}, {}
    for folder in folders:
        try:
            told[folder.path.name] = _told(folder)
            if not read_captions(folder.figures):
                with reading_tables(folder):
                    redraw(folder, find_design(folder.provenance["design"])())
        except ConfigError as error:
            told.pop(folder.path.name, None)
            unreadable[folder.path.name] = str(error)
    return told, unreadable


def _told(folder: DesignFolder) -> "tuple[dict[str, pd.DataFrame], list[str], list[str]]":
    design = find_design(folder.provenance["design"])()
    tables = folder.tables()
    with reading_tables(folder):
        return tables, design.findings(tables), design.caveats(tables)


def _design_section(
    page: "Page",
    folder: DesignFolder,
    known: Mapping[str, Any],
    tables: "Mapping[str, pd.DataFrame]",
    findings: Sequence[str],
    caveats: Sequence[str],
) -> None:
    from embedllm.figures import read_figures

    page.section(known["title"], known["design"])
    if folder.has_later_run:
        page.text(f"{LATER_RUN[:1].upper()}{LATER_RUN[1:]}.")
    if known.get("failed"):
        page.text(f"{known['failed']} of {known['cells']} cells failed; the results shown are from the others.")
    if findings:
        page.heading("Findings").bullets(findings)
    for saved in read_figures(folder.figures):
        page.figure(saved)
    if caveats:
        page.heading("Caveats").bullets(caveats)
    if known.get("notes"):
        page.heading("What was reduced or left out, and why").bullets(known["notes"])
    _tables(page, folder, tables)
    page.heading("Provenance").facts(_provenance(known))
    commands = [run["command"] for run in known.get("runs", []) if run.get("command")]
    if commands:
        page.code("\n".join(dict.fromkeys(commands)))


def _claims(findings: Sequence[str]) -> list[str]:
    """What findings claim: their part between two stars each."""
    return [claim.group(1) for text in findings if (claim := re.match(r"\*\*(.+?)\*\*", text))]


def _tables(page: "Page", folder: DesignFolder, tables: "Mapping[str, pd.DataFrame]") -> None:
    """Short tables folded away, a single row standing upright; of long ones where they are."""
    import pandas as pd

    if any(len(table) for table in tables.values()):
        page.heading("Tables")
    long = []
    for name, table in tables.items():
        file = f"{folder.path.name}/tables/{name}.csv"
        if len(table) == 1:
            upright = pd.DataFrame({"name": list(table.columns), "value": table.iloc[0].astype(object).tolist()})
            page.table(upright, caption=f"{name} ({file})", folded=True)
        elif 0 < len(table) <= SHOWN_ROWS:
            page.table(table, caption=f"{name} ({file})", folded=True)
        elif len(table):
            long.append(f"`{file}`: {len(table):,} rows, {', '.join(table.columns[:8])}")
    if long:
        page.bullets(long)


def _data_lines(known: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for one in known:
        data = one["data"]
        simulated = ", simulated" if data["simulated"] else ""
        lines.append(f"{data['name']} ({data['models']} models, {data['questions']:,} questions{simulated})")
    return list(dict.fromkeys(lines))


def _overview(known: Mapping[str, Mapping[str, Any]]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "design": name,
                "cells": one["cells"],
                "complete": one["complete"],
                "failed": one["failed"],
                "data": one["data"]["name"],
                "encoder": one["config"]["encoder"],
                "preset": one["config"]["preset"],
                "seeds": one["config"]["seeds"],
            }
            for name, one in known.items()
        ]
    )


def _provenance(known: Mapping[str, Any]) -> dict[str, object]:
    data, runs = known["data"], known.get("runs", [])
    last = runs[-1] if runs else {}
    changed = {name: value for name, value in known["config"].items() if value is not None}
    return {
        "data": f"{data['name']}, digest `{data['digest']}`" + (", simulated" if data["simulated"] else ""),
        "cells": f"{known['complete']} of {known['cells']} complete, {known['failed']} failed",
        "options": f"`{json.dumps(known['options'])}`",
        "configuration": f"`{json.dumps(changed)}`",
        "splits": f"{len(known['splits'])}, with a digest of each in `{known['design']}/provenance.json`",
        "commit": last.get("git_commit"),
        "packages": ", ".join(f"{name} {version}" for name, version in (last.get("packages") or {}).items()) or None,
        "runs": f"{len(runs)}, the last {last['started']}" if last.get("started") else len(runs),
    }
