"""`--dry-run` of `run` and `resume`: the plan and the verdict, with nothing started or written."""

from pathlib import Path

from embedllm.cli.program import EXIT_ERROR
from embedllm.errors import ConfigError
from tune.cli.run import show_axis
from tune.config import SweepConfig
from tune.folder import SweepFolder, sweep_path
from tune.planning.dry_run import DryRun, dry_run
from tune.planning.plan_text import render_plan
from tune.planning.preflight import Finding
from tune.runner import retargeted
from tune.search.lock import is_locked
from tune.search.ranking import count_finished, has_baseline, is_exhausted
from tune.search.study import JOURNAL_FILE, read_records


def plan_new(config: SweepConfig) -> int:
    """Print what a new sweep would do; the exit code says whether it could."""
    findings = []
    try:
        path = sweep_path(config)
    except ConfigError as error:
        path = Path(config.out or ".").expanduser().resolve()
        findings.append(Finding("problem", str(error)))
    return _show(dry_run(config, path, known=findings), config)


def plan_resumed(folder: SweepFolder, trials: int | None) -> int:
    """Print what resuming a sweep would do; the exit code says whether it could."""
    config = retargeted(folder, trials).config
    done, baseline, exhausted = 0, True, False
    if (folder.path / JOURNAL_FILE).exists():  # else it was prepared, but no trial was ever asked for
        records = read_records(folder.path)
        done, baseline = count_finished(records), not has_baseline(records)
        exhausted = is_exhausted(records, config)
    if done >= config.trials and not baseline:
        print(f"{folder.path}\nhas reached its target: {done} of {config.trials} trials finished; nothing left to run")
        return 0
    if exhausted and not baseline:
        print(f"{folder.path}\nhas tried every configuration of its space: {done} trials finished; nothing left to run")
        return 0
    findings = []
    if is_locked(folder.path):
        findings.append(Finding("problem", f"{folder.path} is being run by another process; wait for it or stop it"))
    to_go = config.replace(trials=max(1, config.trials - done))
    plan = dry_run(to_go, folder.path, baseline=baseline, digest=folder.digest, known=findings)
    return _show(plan, config, done)


def _show(plan: DryRun, config: SweepConfig, done: int = 0) -> int:
    axes = [f"{name} {show_axis(axis)}" for name, axis in config.space.axes().items()]
    print(render_plan(plan, axes, done=done))
    return EXIT_ERROR if plan.problems else 0
