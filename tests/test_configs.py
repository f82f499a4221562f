"""The shipped YAML files mirror the configuration classes one to one, and say what every key means."""

import dataclasses
import re
from pathlib import Path

import pytest
import yaml

from ablations.config import AblationConfig
from embedllm.cli.parser import Parser
from embedllm.config import PRESETS, FitConfig
from tune.config import SearchSpace, SweepConfig

CONFIGS = Path(__file__).parents[1] / "configs"


def names(owner: type) -> list[str]:
    return [field.name for field in dataclasses.fields(owner)]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_preset_files_are_the_presets(name: str) -> None:
    content = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    assert list(content) == names(FitConfig)
    assert FitConfig(**content) == PRESETS[name]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_the_command_line_reads_preset_files(name: str) -> None:
    parser = Parser("fit", "Fit.", "fit")
    parser.add_config_file()
    parser.add_fields("configuration", FitConfig())
    given = parser.parse(["--config", str(CONFIGS / f"{name}.yaml")]).as_dict()
    fields = {key: value for key, value in given.items() if key in names(FitConfig)}
    assert FitConfig(**fields) == PRESETS[name]


def test_the_sweep_file_has_every_key_in_order() -> None:
    content = yaml.safe_load((CONFIGS / "sweep.yaml").read_text())
    assert list(content) == names(SweepConfig)
    assert list(content["space"]) == names(SearchSpace)


def test_the_ablations_file_has_every_key_in_order() -> None:
    content = yaml.safe_load((CONFIGS / "ablations.yaml").read_text())
    assert list(content) == names(AblationConfig)
    assert AblationConfig(**content) == AblationConfig()


def defaults(*owners: type) -> dict[str, str]:
    return {
        field.name: yaml.safe_dump(getattr(owner, field.name)).split()[0]
        for owner in owners
        for field in dataclasses.fields(owner)
        if field.default is not dataclasses.MISSING
    }


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda file: file.name)
def test_every_key_is_explained_with_its_default(file: Path) -> None:
    comment = ""
    expected = defaults(AblationConfig) if file.name == "ablations.yaml" else defaults(FitConfig, SweepConfig)
    for line in file.read_text().splitlines():
        if line.lstrip().startswith("#"):
            comment += " " + line.strip(" #")
        elif key := re.match(r"\s*(\w+):", line):
            assert comment, f"{file.name}: no comment above {line!r}"
            if key[1] in expected and not line.startswith(" "):
                shown = re.search(r"default: ([^)]*)\)", comment)
                assert shown, f"{file.name}: no default in the comment above {line!r}"
                assert yaml.safe_load(shown[1]) == yaml.safe_load(expected[key[1]])
            comment = ""


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda file: file.name)
def test_files_begin_with_the_command_that_uses_them(file: Path) -> None:
    assert f"--config configs/{file.name}" in file.read_text().split("\n\n")[0]
