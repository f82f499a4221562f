"""The plan that `--dry-run` prints: what would run, where, how long, and everything that would stop it."""

import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path

from tune.config import SearchSpace, SweepConfig
from tune.labels import counted, seeds_text
from tune.planning.dry_run import DryRun
from tune.planning.memory import show_bytes
from tune.planning.plan import ClusterPlan
from tune.planning.preflight import existing_ancestor
from tune.planning.schedule import PackPlan, show_seconds
from tune.search.space import space_size
from tune.tracking.uri import sqlite_file

WIDTH = 100
LABEL = 10

FASTER, FASTER_PRUNED, SLOWER = 0.7, 0.35, 1.6
"""Where the time may lie against the estimate: what else the machine does, how trials fall into packs, pruning."""


def render_plan(plan: DryRun, axes: Sequence[str], *, done: int = 0) -> str:
    """The plan as text that ends without a newline.

    Args:
        plan: everything looked at.
        axes: the search space, a line per axis, as typed on the command line.
        done: trials an earlier run has finished.
    """
    config = plan.config
    lines = ["Plan of a sweep; nothing has been started or written.", ""]
    lines += _entry("data", _data(plan))
    lines += _entry("search", f"{', '.join(map(str, config.goals))}, {_space_size(config.space)} over")
    lines += [" " * LABEL + axis for axis in axes]
    lines += _entry("method", _method(config))
    lines += _encoders(plan)
    lines += _entry("trials", _trials(config, done, plan.baseline))
    if plan.cluster is not None:
        lines += _cluster(plan.cluster, config)
    lines += _entry("folder", f"{plan.path} ({show_bytes(_free(plan.path))} free)")
    if plan.tracking_uri is not None:
        lines += _entry("MLflow", _tracking(plan.tracking_uri))
    for title, texts in (("warning", plan.warnings), ("problem", plan.problems)):
        if texts:
            lines += ["", f"{counted(len(texts), title)}:", *_list(texts)]
    verdict = "This sweep cannot run." if plan.problems else "No problems found: run it without --dry-run."
    return "\n".join([*lines, "", verdict])


def _entry(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        f"{label:<{LABEL}}{text}", WIDTH, subsequent_indent=" " * LABEL, break_long_words=False, break_on_hyphens=False
    )


def _list(texts: Sequence[str]) -> list[str]:
    lines = []
    for text in texts:
        first, *others = text.splitlines()
        lines += textwrap.wrap(
            f"  - {first}", WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
        )
        lines += [f"    {line}" for line in others]
    return lines


def _data(plan: DryRun) -> str:
    name = plan.config.data or plan.config.data_name
    if plan.data is None or plan.split is None:
        return f"{name}: cannot be used, see below"
    data, split = plan.data, plan.split
    missing = float((data.attempts == 0).mean())
    return (
        f"{name}: {data.num_models} models x {data.num_questions:,} questions"
        + (f", {missing:.1%} of the cells missing" if missing else "")
        + f"; {len(split.train):,} for training, {len(split.val):,} for validation, {len(split.test):,} for testing "
        f"({split.name} split" + (f", seed {split.seed})" if split.seed is not None else ")")
    )


def _space_size(space: SearchSpace) -> str:
    size = space_size(space)
    return "a continuous space" if size is None else f"{size:,} configurations"


def _method(config: SweepConfig) -> str:
    parts = [f"sampler {config.sampler}", f"pruner {config.pruner}", f"preset {config.preset}", f"seed {config.seed}"]
    return ", ".join([*parts, "deterministic"] if config.deterministic else parts)


def _trials(config: SweepConfig, done: int, baseline: bool) -> str:
    size = space_size(config.space)
    enough = "" if size is None or size >= config.trials + done else f", but the space holds only {size:,}"
    to_go = f"{config.trials} to go, {done} finished" if done else f"{config.trials}"
    recipe = "plus the paper's recipe as the baseline" if baseline else "the baseline is finished"
    return f"{to_go}{enough}; {seeds_text(config.seeds)} each; {recipe}"


def _encoders(plan: DryRun) -> list[str]:
    lines = []
    for number, encoder in enumerate(plan.encoders):
        about = "refused, see below" if encoder.state == "refused" else f"{encoder.state}: {encoder.detail}"
        label = "encoders" if number == 0 else ""
        lines += _entry(label or " ", f"{encoder.name}, {about}")
    return lines


def _cluster(cluster: ClusterPlan, config: SweepConfig) -> list[str]:
    alive = [node for node in cluster.nodes if node.alive]
    cpus, gpus = sum(node.cpus for node in alive), sum(node.gpus for node in alive)
    where = "this machine" if config.address is None else f"{counted(len(alive), 'node')} at {config.address}"
    size = f"{counted(cpus, 'CPU')}, {counted(gpus, 'GPU')}, {show_bytes(sum(node.memory for node in alive))}"
    lines = _entry("cluster", f"{where}: {size}")
    slots, packs = cluster.slots, cluster.packs
    size = "single trials" if packs.size == 1 else f"up to {packs.size} trials trained together"
    lines += _entry("packs", f"{size} ({packs.reason}); {slots.count} at a time, on {slots.each} each")
    room = "" if packs.available is None else f"; {show_bytes(packs.available)} available to each"
    lines += _entry("memory", f"the largest pack needs about {show_bytes(packs.memory.total)}{room}")
    if packs.seconds is not None and packs.baseline_seconds is not None:
        lines += _entry("time", _time(packs, packs.seconds, packs.baseline_seconds, config))
    return lines


def _time(packs: PackPlan, seconds: float, baseline: float, config: SweepConfig) -> str:
    low, high = seconds * (FASTER if config.pruner == "none" else FASTER_PRUNED), seconds * SLOWER
    text = f"about {show_seconds(seconds)} ({show_seconds(low)} to {show_seconds(high)})"
    if baseline:
        text += f", of which the baseline occupies one slot for {show_seconds(baseline)}"
    text += "; plus start-up and the winner's evaluation"
    budget = config.time_budget
    if budget is not None and budget < high:
        text += f"; no pack starts after the time budget of {show_seconds(budget)}"
    return text


def _tracking(uri: str) -> str:
    file = sqlite_file(uri)
    if file is None:
        return uri
    return f"{uri} ({'an existing' if file.exists() else 'a new'} database)"


def _free(path: Path) -> int:
    return shutil.disk_usage(existing_ancestor(path)).free
