"""Commands in a report: what is typed again must mean the same sweep."""

import shlex
import subprocess
from pathlib import Path

import pytest

from embedllm.cli.parser import Parser
from embedllm.config import FitConfig, preset
from embedllm.visible import visible
from tune.cli import run as run_command
from tune.config import Range, SearchSpace, SweepConfig
from tune.report.commands import QUESTION, champion_command, fit_command, sweep_command, winner_command
from tune.tracking.serving import serve_command


def parsed(line: str) -> SweepConfig:
    words = shlex.split(line.replace("\\\n", " "))
    assert words[:4] == ["python", "-m", "tune", "run"]
    parser = Parser("run")
    run_command.add_arguments(parser)
    parser.complete()
    return run_command.configuration(parser.parse(words[4:]))


@pytest.mark.parametrize(
    "config",
    [
        SweepConfig(),
        SweepConfig(data="my data", trials=64, seeds=5, split="random", split_seed=3, deterministic=True, pack=4),
        SweepConfig(data="d", objective="val_accuracy", pruner="hyperband", time_budget=60.0, finalists=3),
        SweepConfig(data="d", objectives=["val_log_loss:min", "epochs:min"], space=SearchSpace(epochs=[5, 10])),
        SweepConfig(
            data="d",
            sampler="grid",
            space=SearchSpace(
                encoder=["lsa", "models/all-MiniLM-L6-v2"], embedding_dim=[8, 16], noise=[0.05],
                training_questions=[1.0], learning_rate=[0.01], weight_decay=[1e-05],
            ),
        ),
        SweepConfig(data="d", space=SearchSpace(noise=Range(0.01, 0.3, log=True), training_questions=Range(0.05, 1.0))),
    ],
)  # fmt: skip
def test_a_sweep_command_parses_to_the_same_sweep(config: SweepConfig) -> None:
    assert parsed(sweep_command(config, "again")) == config.replace(out="again")


def test_the_place_a_sweep_ran_at_is_left_out() -> None:
    config = SweepConfig(data="d", out="/home/someone/sweep", tracking_uri="https://server", address="auto")
    assert sweep_command(config, "again") == "python -m tune run d --out again"


def test_a_fit_command_parses_to_the_same_configuration() -> None:
    from embedllm.cli import fit as fit_module

    fit = preset("fast").replace(encoder="lsa:96", embedding_dim=27, noise=0.0539, training_questions=100, seed=4)
    line = fit_command(SweepConfig(data="d", split="random", split_seed=2), fit, 3, "artifact")
    words = shlex.split(line.replace("\\\n", " "))
    parser = Parser("fit")
    fit_module.add_arguments(parser)
    parser.complete()
    args = parser.parse(words[2:])
    assert fit_module.configuration(args) == fit
    assert (args.data, args.seeds, args.split, args.split_seed, args.out) == ("d", 3, "random", 2, "artifact")


def test_nulls_are_written_where_the_preset_has_a_value() -> None:
    line = fit_command(SweepConfig(data="d"), FitConfig(**vars(preset("fast").replace(batch_questions=None))), 1, "a")
    assert "--batch-questions null" in line


def test_the_winner_is_asked_beside_the_sweep() -> None:
    assert winner_command(Path("/a/b/my sweep")).startswith("embedllm route 'my sweep/winner' ")


def test_serving_needs_a_registered_winner(tmp_path: Path) -> None:
    assert champion_command(tmp_path, SweepConfig(data="pool")) is None, "never tracked"
    (tmp_path / "mlflow.json").write_text('{"tracking_uri": "sqlite:///x.db"}')
    assert champion_command(tmp_path, SweepConfig(data="pool", register="none")) is None
    served = champion_command(tmp_path, SweepConfig(data="some/pool"))
    assert served == serve_command("sqlite:///x.db", "models:/embedllm-pool@champion"), "as the sweep itself says it"


@pytest.mark.parametrize("name", ["it's", "$(x) `y`", "a\nb\x1b[31m"])
def test_commands_on_folders_of_any_name_are_one_word_to_the_shell(name: str) -> None:
    line = winner_command(Path("/a") / name)
    assert line == visible(line)
    given = subprocess.run(["bash", "-c", f"printf '%s' {line.split(' ', 2)[2]}"], capture_output=True, check=True)
    assert given.stdout.decode() == f"{name}/winner{QUESTION}"
