"""What setup commands and images install."""

import pytest

from tune.cluster.installation import Installed, installed
from tune.cluster.launch import Launch


def read(*setup: str, image: str | None = None) -> Installed:
    return installed(Launch("head", (), (), tuple(setup), (), image, ()))


@pytest.mark.parametrize(
    ("command", "version"),
    [
        ("pip install ray==2.60.0", "2.60.0"),
        ("~/venv/bin/pip install -q -U 'ray[default,tune]==2.59.1' boto3", "2.59.1"),
        ("cd a && uv pip install ray == 2.60", "2.60"),
        ("which ray || pip install -U https://example.org/ray-2.55.0-cp311-cp311-manylinux2014_x86_64.whl", "2.55.0"),
        ("pip install 'ray[default]'", None),
        ("pip install xray==1.0", None),
        ("echo ray==2.0.0", None),
    ],
)
def test_the_version_of_ray(command: str, version: str | None) -> None:
    assert read(command).ray == version


@pytest.mark.parametrize(
    ("command", "names_ray", "program"),
    [
        ("pip install -e .", True, True),
        (
            "cd ~/a && ~/venv/bin/pip install -q -c constraints.txt -e '.[offline]' 'ray[default]'",
            True,
            True,
        ),
        ("pip install git+https://example.org/embedllm-tune@v1", True, True),
        ("pip install ~/embedllm-tune", True, True),
        ("pip install -c ./constraints.txt 'ray[default]'", True, False),
        ("pip install -r ./requirements.txt boto3", False, False),
        ("which ray", False, False),
    ],
)
def test_what_is_installed(command: str, names_ray: bool, program: bool) -> None:
    has = read(command)
    assert (has.names_ray, has.program) == (names_ray, program)


@pytest.mark.parametrize(
    ("image", "ray", "python", "own"),
    [
        ("rayproject/ray:2.60.0-py311-gpu", "2.60.0", "3.11", False),
        ("rayproject/ray-ml:2.40.0.abc123-py310", "2.40.0", "3.10", False),
        ("rayproject/ray:2.60.0", "2.60.0", None, False),
        ("example.org/mine:3", None, None, True),
    ],
)
def test_images(image: str, ray: str | None, python: str | None, own: bool) -> None:
    has = read(image=image)
    assert (has.ray, has.python, has.own_image) == (ray, python, own)


@pytest.mark.parametrize(
    ("command", "python"),
    [
        ("conda create -y -n a python=3.12", "3.12"),
        ("python3.11 -m venv ~/venv", "3.11"),
        ("uv venv --python 3.13", "3.13"),
        ("python3 -m venv ~/venv", None),
    ],
)
def test_the_version_of_python(command: str, python: str | None) -> None:
    assert read(command).python == python
