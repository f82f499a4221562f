"""Question encoders: texts in, one float32 row per text out, cached on disk.

    encodings = encode_data(data, "lsa", fit_on=split.train)
    encodings.matrix          # (questions, width)
    encodings.encoder         # encodes new questions the same way; goes into the artifact

`lsa` is fitted on the training questions and needs no download. Every other name is a sentence-transformers model: from
the Hugging Face hub, from a local folder, or, for all-MiniLM-L6-v2, from the package of the `offline` extra.
"""

from embedllm.encoders.cache import CACHE_VARIABLE, EncodingCache, default_cache_folder
from embedllm.encoders.encoding import encode_data, encode_with
from embedllm.encoders.lsa import LsaEncoder
from embedllm.encoders.pretrained import PretrainedEncoder
from embedllm.encoders.protocol import EncoderInfo, Encodings, QuestionEncoder
from embedllm.encoders.registry import load_encoder, needs_fitting, restore_encoder

__all__ = [
    "CACHE_VARIABLE",
    "EncoderInfo",
    "EncodingCache",
    "Encodings",
    "LsaEncoder",
    "PretrainedEncoder",
    "QuestionEncoder",
    "default_cache_folder",
    "encode_data",
    "encode_with",
    "load_encoder",
    "needs_fitting",
    "restore_encoder",
]
