"""A check as people read it, and as JSON."""

import json
import textwrap
from typing import Any

from embedllm.cli.tables import render
from tune.cluster.check import ClusterCheck
from tune.cluster.findings import Finding
from tune.cluster.node_types import NodeType
from tune.labels import counted

WIDTH = 100


def render_check(check: ClusterCheck) -> str:
    """Plan, commands, findings and verdict, as text that ends without a newline."""
    lines = [f"{check.path}: cluster {check.name}" + (f" on {check.provider}" if check.provider else "")]
    if check.types:
        lines += ["", render([_row(one) for one in check.types]), "", *_wrapped(_totals(check))]
    for role, launch in check.commands.items():
        lines += ["", "On the head:" if role == "head" else "On every worker:"]
        lines += [f"  {step:<6}{_one_line(command)}" for step, command in launch.steps] or ["  nothing"]
    for title, found in (("warning", check.warnings), ("error", check.errors)):
        if found:
            lines += ["", f"{counted(len(found), title)}:", *(line for one in found for line in _finding(one))]
    if check.note is not None:
        lines += ["", *_wrapped(f"Note: {check.note}.")]
    return "\n".join([*lines, "", _verdict(check)])


def check_as_json(check: ClusterCheck) -> str:
    """The same as one JSON object of flat rows."""
    slots = check.slots
    content: dict[str, Any] = {
        "file": str(check.path),
        "cluster_name": check.name,
        "provider": check.provider,
        "usable": not check.errors,
        "max_workers": check.max_workers,
        "packs_at_once": None if slots is None else slots.count,
        "cpus_per_pack": None if slots is None else slots.cpus,
        "gpus_per_pack": None if slots is None else slots.gpus,
        "findings": [
            {"level": one.level, "key": one.key, "line": one.line, "text": one.text} for one in check.findings
        ],
        "node_types": [_row(one) for one in check.types],
        "commands": [
            {"role": role, "step": step, "command": command}
            for role, launch in check.commands.items()
            for step, command in launch.steps
        ],
        "note": check.note,
    }
    return json.dumps(content, indent=2)


def _row(one: NodeType) -> dict[str, Any]:
    return {
        "node_type": one.name,
        "role": one.role,
        "machine": one.machine,
        "min_nodes": one.least,
        "max_nodes": one.most,
        "cpus_each": one.cpus,
        "gpus_each": one.gpus,
        "max_cpus": None if one.cpus is None else one.cpus * one.most,
        "max_gpus": None if one.gpus is None else one.gpus * one.most,
        "paid": one.market,
    }


def _totals(check: ClusterCheck) -> str:
    """How large the cluster gets, and what a sweep makes of it."""
    least = sum(one.least for one in check.types if one.role == "worker")
    size = f"{counted(check.max_workers, 'worker')} at most, {least} from the start, besides the head"
    slots = check.slots
    if slots is not None:
        return f"{size}; room for {counted(slots.count, 'pack')} at the same time, on {slots.each} each."
    if any(one.cpus is None or one.gpus is None for one in check.types):
        return f"{size}. What a machine marked - holds Ray finds out when it starts, and with it how many packs fit."
    return f"{size}; no room for a pack."


def _finding(one: Finding) -> list[str]:
    place = ", ".join([*([f"line {one.line}"] if one.line and not one.text.startswith("line ") else []), one.key])
    head = f"{place.strip(', ')}: " if place.strip(", ") else ""
    return _wrapped(f"  - {head}{one.text}", "    ")


def _verdict(check: ClusterCheck) -> str:
    if check.errors:
        return "This cluster would not work: correct the file before `ray up`."
    found = "No errors found" if check.warnings else "No problems found"
    return f"{found}: start it with `ray up {check.path}`."


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _one_line(command: str) -> str:
    return " ".join(command.split())
