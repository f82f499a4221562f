"""Names, and what importing the package costs."""

import subprocess
import sys

import pytest

from embedllm.encoders import load_encoder, needs_fitting, restore_encoder
from embedllm.encoders.registry import lsa_width
from embedllm.errors import ConfigError, EmbedLLMError


@pytest.mark.parametrize("name", ["lsa:0", "lsa:", "lsa:-3", "lsa:many", "lsa:1.5", "lsa:²"])
def test_width_of_lsa_must_be_a_positive_whole_number(name):
    assert needs_fitting(name)
    with pytest.raises(ConfigError, match=f"encoder '{name}': WIDTH in `lsa:WIDTH` must be a positive whole number"):
        lsa_width(name)


def test_lsa_cannot_just_be_loaded():
    with pytest.raises(ConfigError, match=r"encoder 'lsa' has no pretrained version: `fit_lsa` fits it on questions"):
        load_encoder("lsa")


def test_empty_name():
    with pytest.raises(ConfigError, match="name is empty; try `lsa`, or `all-mpnet-base-v2`"):
        load_encoder(" ")


def test_states_that_cannot_be_restored():
    with pytest.raises(EmbedLLMError, match="of unknown kind 'word2vec'; known: lsa, sentence-transformers"):
        restore_encoder({"kind": "word2vec"}, {})
    with pytest.raises(EmbedLLMError, match="lacks 'name'; fit the model again"):
        restore_encoder({"kind": "sentence-transformers"}, {})


def test_import_loads_no_heavy_library():
    heavy = ["torch", "sklearn", "scipy", "sentence_transformers", "transformers", "huggingface_hub", "rich"]
    code = f"import sys, embedllm.encoders; print([name for name in {heavy} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
