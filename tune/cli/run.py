"""`python -m tune run`: a new sweep."""

import argparse
import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jsonargparse import Namespace

from embedllm.cli.parser import Notation, Parser, UsageError
from embedllm.errors import ConfigError
from tune.config import Range, SearchSpace, SweepConfig
from tune.search.objectives import COSTS, OBJECTIVES, TRAINING_METRICS, read_objectives
from tune.search.ranges import read_axes

EXAMPLE = """
python -m tune run
python -m tune run data --trials 64 --out sweep
python -m tune run data --trials 64 --out sweep --dry-run
python -m tune run data --objectives val_log_loss,training_questions --config configs/sweep.yaml
python -m tune run data --space.encoder lsa,all-MiniLM-L6-v2 --space.noise 0..0.1
python -m tune run data --config configs/sweep.yaml --sampler random --seeds 5
"""

GROUPS = {
    "sweep": (
        "out",
        "trials",
        "seeds",
        "preset",
        "objective",
        "sampler",
        "pruner",
        "seed",
        "deterministic",
        "finalists",
    ),
    "split": ("split", "split_seed"),
    "machine": (
        "pack",
        "slots",
        "cpus_per_pack",
        "gpus_per_pack",
        "address",
        "tracking_uri",
        "register",
        "time_budget",
    ),
}
"""Fields of `SweepConfig` under the headings of `--help`."""

SPACE_HELP = """\
An AXIS is a list of choices, e.g. lsa,all-MiniLM-L6-v2 or 0,0.05 (a single one fixes it), a range LOW..HIGH, or a range
sampled on a log scale, LOW..HIGH:log."""


OBJECTIVES_HELP = f"""\
Several at once, e.g. val_log_loss:min,training_questions:min, for the Pareto front between them; :min and :max may be
left out. The first must be a validation metric and decides the winner.
Metrics: {", ".join((*OBJECTIVES, *TRAINING_METRICS))}, each also with _sd. Costs: {", ".join(COSTS)}."""


def add_arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "data",
        nargs="?",
        type=str,
        default=argparse.SUPPRESS,
        metavar="DATA",
        help="folder written by `embedllm data import` (default: simulated data)",
    )
    parser.add_config_file()
    defaults = SweepConfig()
    axis = Notation("AXIS", axis_to_yaml, show_axis)
    parser.add_fields("sweep", defaults, only=GROUPS["sweep"])
    several = Notation("NAME:DIRECTION,…", objectives_to_yaml, show_objectives)
    parser.add_fields("objectives", defaults, only=("objectives",), description=OBJECTIVES_HELP, notation=several)
    parser.add_fields("search space", defaults.space, description=SPACE_HELP, prefix="space.", notation=axis)
    parser.add_fields("split", defaults, only=GROUPS["split"])
    parser.add_fields("machine", defaults, only=GROUPS["machine"])
    add_dry_run(parser)


def add_dry_run(parser: Parser) -> None:
    """Add `--dry-run`."""
    parser.general.add_argument(
        "--dry-run",
        action="store_true",
        help="print the plan, with estimates of memory and time, and any problems; start nothing",
    )


def run(args: Namespace) -> int:
    """Run the sweep with progress, MLflow and a leaderboard at the end."""
    config = configuration(args)
    if args.dry_run:
        from tune.cli.dry_run import plan_new

        return plan_new(config)

    from tune.cli.session import conduct
    from tune.engine.cluster import check_address
    from tune.folder import sweep_path
    from tune.planning.preflight import check_storage, refuse
    from tune.runner import Sweep

    check_address(config.address)  # complain before the sweep's folder is made
    path = sweep_path(config)
    refuse(check_storage(config, path))
    return conduct(Sweep.create(config, path))


def configuration(args: Namespace) -> SweepConfig:
    """What the user gave, on the command line or in the file, over the defaults.

    Raises:
        ConfigError: naming every value out of range, and the file where one was given.
    """
    try:
        return _configuration(args)
    except ConfigError as error:
        files = [str(file) for file in args.get("config") or ()]
        raise ConfigError(f"with --config {' and '.join(files)}: {error}" if files else str(error)) from error


def _configuration(args: Namespace) -> SweepConfig:
    given = {field.name: args[field.name] for field in dataclasses.fields(SweepConfig) if field.name in args}
    space = given.pop("space", Namespace())
    if given.get("objectives") is not None:
        given["objectives"] = [one.as_dict() if isinstance(one, Namespace) else one for one in given["objectives"]]
        _check_one_wins(given)
    axes = {field.name: _axis(space[field.name]) for field in dataclasses.fields(SearchSpace) if field.name in space}
    return SweepConfig(**given, space=SearchSpace(**read_axes(axes)))


def axis_to_yaml(text: str) -> str:
    """An axis as typed on the command line in the form YAML has for it: `8..256:log`, `0,0.05`, `lsa`.

    Text that is YAML already is left alone.
    """
    if text[:1] in ("[", "{") or text in ("", "null"):
        return text
    # YAML reads 8:64 as 8 times 60 and 64.
    if colon := re.fullmatch(r"([\d.e+-]+):([\d.e+-]+)(:log)?", text):
        raise UsageError(
            f"{text!r} is no AXIS; a range is LOW..HIGH, as in {'..'.join(colon.groups()[:2])}{colon[3] or ''}"
        )
    bounds = re.fullmatch(r"(\S+)\.\.([^\s:]+)(:log)?", text)
    ends = [_number(end) for end in bounds.groups()[:2]] if bounds else []
    if bounds and not any(isinstance(end, str) for end in ends):  # else dots of a path, such as lsa,../models/minilm
        return json.dumps({"low": ends[0], "high": ends[1], "log": bool(bounds[3])})
    return json.dumps([_number(choice) for choice in text.split(",")])


def show_axis(axis: Range | list[object]) -> str:
    """The inverse of :func:`axis_to_yaml`: `8..256:log`."""
    if isinstance(axis, Range):
        low, high = (repr(float(end)).removesuffix(".0") for end in (axis.low, axis.high))
        return f"{low}..{high}" + (":log" if axis.log else "")
    return ",".join(map(str, axis))


def objectives_to_yaml(text: str) -> str:
    """Objectives as typed, `val_log_loss:min,epochs:min`, as a YAML list. Text that is YAML already is left alone."""
    return text if text[:1] == "[" or text in ("", "null") else json.dumps([one.strip() for one in text.split(",")])


def show_objectives(objectives: Sequence[object] | None) -> str:
    """The inverse of :func:`objectives_to_yaml`."""
    return "null" if objectives is None else ",".join(map(str, objectives))


def _check_one_wins(given: Mapping[str, Any]) -> None:
    """Refuse an `objective` that is not the first of the objectives; `SweepConfig` cannot tell its default from it."""
    found, problems = read_objectives(given["objectives"])
    if not problems and given.get("objective", found[0].name) != found[0].name:
        raise ConfigError(
            f"objective is {given['objective']} but objectives begin with {found[0].name}; "
            "leave objective out, or put it first"
        )


def _number(text: str) -> float | int | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip()


def _axis(value: Any) -> Any:
    return value.as_dict() if isinstance(value, Namespace) else value
