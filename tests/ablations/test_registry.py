from pathlib import Path

import pytest

from ablations import designs
from ablations.registry import PARTS, design_classes, find_design
from embedllm.errors import ConfigError


def test_every_module_of_the_folder_is_a_design() -> None:
    modules = [file for file in Path(designs.__path__[0]).glob("*.py") if file.name != "__init__.py"]
    assert len(design_classes()) == len(modules)
    for name, design in design_classes().items():
        assert design.name == name
        assert design.title[0].isupper()
        assert all(hasattr(design(), part) for part in PARTS)


def test_designs_stand_in_the_order_they_are_read_in() -> None:
    assert list(design_classes())[:4] == ["training-size", "held-out-benchmark", "probe", "axis"]


def test_an_unknown_name_is_met_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="there is no design 'training'; the nearest is 'training-size'"):
        find_design("training")
