"""Communities of models: by size, specialty and family, read from model names or from metadata columns.

The paper (section 6.1) uses six keyword labels, 7B, 13B, 70B, Coding, Bio/Med and Physics, without publishing who is in
them; here the rules are written down and `Communities.table` says who went where. A name tells what its author wrote
into it, not what the model descends from: a merge of Mistral models called `jaskier-7b` has the size 7B and no family.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from embedllm.data.matrix import MODEL_COLUMNS
from embedllm.errors import DataError

PARAMETERS_COLUMN = "parameters"
"""Metadata column with the number of parameters; where it is there, sizes come from it and not from names."""

MINIMUM_MEMBERS = 3
"""Below three members a community has one pair inside, or none: too little to speak of its distances."""

MOST_LISTED = 40
"""Communities left out that a note names: a large pool may have hundreds of families with one model each."""

SIZE_CLASSES = (("below 4B", 4.0), ("7B", 10.0), ("13B", 20.0), ("34B", 50.0), ("70B", 100.0), ("above 100B", np.inf))
"""Name and upper bound (exclusive) in billions of parameters; the common size of the range gives the name."""

SPECIALTIES = {
    "code": r"cod(?:e|ing|er)(?!d)|codestral|starcoder",
    "math": r"math|llemma|numina",
    "bio/medical": r"bio|(?<![a-z])med(?![a-z])|medic|medit|medal|medgpt|clinic|pharm|doctor",
    "physics/chemistry": r"physic|chem",
}
"""Pattern per specialty, searched in the lower-case name; a model may have several."""

FAMILIES = {
    "CodeLlama": r"code-?llama",
    "Llama 3": r"llama-?_?3",
    "Llama 1/2": r"llama(?!rag)|vicuna",
    "Mistral": r"mistral|mixtral|mathstral|zephyr|codestral",
    "Qwen": r"qwen",
    "Yi": r"(?<![a-z])yi(?![a-z])",
    "Gemma": r"gemma",
    "Gemini": r"gemini",
    "GPT": r"(?<![a-z])gpt-?[345]|davinci",
    "Claude": r"claude",
    "Phi": r"(?<![a-z])phi-?_?\d",
    "DeepSeek": r"deepseek",
    "Command": r"command",
    "Jamba/J2": r"jamba|(?<![a-z])j2-",
    "Palmyra": r"palmyra",
    "Luminous": r"luminous",
    "Falcon": r"falcon",
    "OLMo": r"olmo",
    "PaLM 2": r"text-(?:bison|unicorn)",
    "MPT": r"(?<![a-z])mpt-",
    "Pythia": r"pythia",
    "SOLAR": r"solar|solrca",
    "OpenChat": r"openchat|starling",
}
"""Pattern per family, searched in this order in the lower-case name without its organisation; the first counts."""

_MIXTURE = re.compile(r"(?<![a-z0-9.])(?:(\d+)x(\d+(?:\.\d+)?)b|(\d+(?:\.\d+)?)bx(\d+))(?![a-z0-9])")
_PLAIN = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)(b(\d)?|m)(?![a-z0-9])")


@dataclass(frozen=True)
class Communities:
    """Named groups of the models of a pool; they may overlap.

    Args:
        model_names: name per model, M of them.
        kinds: what each community is about: `size`, `specialty`, `family` or the metadata column's name; C of them.
        names: name per community, unique within its kind.
        members: bool of shape (C, M).
        notes: what was left out and why, a sentence each.
    """

    model_names: tuple[str, ...]
    kinds: tuple[str, ...]
    names: tuple[str, ...]
    members: np.ndarray
    notes: tuple[str, ...] = ()

    def table(self) -> pd.DataFrame:
        """Who went where: a row per model, `model` and a column per kind; ", " joins several names, "" is none."""
        columns: dict[str, list[str]] = {"model": list(self.model_names)}
        for kind in dict.fromkeys(self.kinds):
            rows = [number for number, other in enumerate(self.kinds) if other == kind]
            columns[kind] = [
                ", ".join(self.names[row] for row in rows if self.members[row, model])
                for model in range(len(self.model_names))
            ]
        return pd.DataFrame(columns)


def size_in_billions(name: str) -> float | None:
    """Billions of parameters that a model name states, None where it states none.

    `7b`, `1.3B`, `bloom-7b1` (7.1) and `410m` are plain sizes; `8x7B` and `7Bx2` are mixtures of experts and count as
    the product, a little more than what they really have, unless the name states the total as well.
    """
    lower = name.lower()
    plain = [
        float(f"{number}.{decimal}") if decimal else float(number) / (1000 if unit == "m" else 1)
        for number, unit, decimal in _PLAIN.findall(_MIXTURE.sub(" ", lower))
    ]
    if plain:
        return max(plain)
    mixture = _MIXTURE.search(lower)
    if mixture is None:
        return None
    first, second = (float(part) for part in mixture.groups() if part is not None)
    return first * second


def communities_of(
    models: pa.Table, columns: Sequence[str] | None = None, *, minimum: int = MINIMUM_MEMBERS
) -> Communities:
    """The communities of a pool.

    Args:
        models: the `models` table of a correctness matrix: model_id, model_name, metadata columns.
        columns: metadata columns whose values are communities. None = every text column there is (a number of
            parameters becomes size classes), and what names tell of size, specialty and family where no column does.
            An empty sequence = names only.
        minimum: smallest number of members; smaller communities are left out and noted.

    Returns:
        Communities with at least `minimum` members and at least one model outside. There may be none at all.

    Raises:
        DataError: naming every column that the table does not have.
    """
    metadata = [name for name in models.column_names if name not in MODEL_COLUMNS]
    unknown = [name for name in columns or () if name not in metadata]
    if unknown:
        have = ", ".join(metadata) or "none"
        raise DataError(
            "the communities", [f"there is no metadata column {name!r}; the models have: {have}" for name in unknown]
        )
    names = [str(name) for name in models["model_name"].to_pylist()]
    groups: dict[str, list[tuple[str, ...]]] = {}
    for column in metadata if columns is None else columns:
        values = models[column].to_pylist()
        if column == PARAMETERS_COLUMN:
            groups["size"] = [_size_class(None if value is None else float(value) / 1e9) for value in values]
        elif columns is not None or pa.types.is_string(models.schema.field(column).type):
            groups[column] = [() if value in (None, "") else (str(value),) for value in values]
    if not columns:
        groups.setdefault("size", [_size_class(size_in_billions(name)) for name in names])
        groups.setdefault("specialty", [_specialties(name) for name in names])
        groups.setdefault("family", [_family(name) for name in names])
    return _collect(names, groups, minimum)


def _size_class(billions: float | None) -> tuple[str, ...]:
    if billions is None:
        return ()
    return (next(name for name, bound in SIZE_CLASSES if billions < bound),)


def _specialties(name: str) -> tuple[str, ...]:
    return tuple(label for label, pattern in SPECIALTIES.items() if re.search(pattern, name.lower()))


def _family(name: str) -> tuple[str, ...]:
    own = name.lower().rsplit("/", 1)[-1]
    return tuple(label for label, pattern in FAMILIES.items() if re.search(pattern, own))[:1]


def _collect(names: Sequence[str], groups: dict[str, list[tuple[str, ...]]], minimum: int) -> Communities:
    kinds, labels, members, notes = [], [], [], []
    for kind, of_model in groups.items():
        small = []
        for label in _in_order(kind, {label for labels_of in of_model for label in labels_of}):
            member = np.array([label in labels_of for labels_of in of_model])
            if member.sum() < minimum:
                small.append(f"{label} ({member.sum()})")
            elif member.all():
                notes.append(f"All {len(names)} models are in {kind} {label}: nobody is outside to compare with.")
            else:
                kinds.append(kind)
                labels.append(label)
                members.append(member)
        if small:
            listed = small if len(small) <= MOST_LISTED else [*small[:MOST_LISTED], f"{len(small) - MOST_LISTED} more"]
            notes.append(f"Left out, {kind} with fewer than {minimum} models: {', '.join(listed)}.")
        unnamed = sum(not labels_of for labels_of in of_model)
        if unnamed and kind != "specialty":
            notes.append(f"{unnamed} of {len(names)} models have no {kind} that their name or metadata tells.")
    stacked = np.stack(members) if members else np.zeros((0, len(names)), dtype=bool)
    return Communities(tuple(names), tuple(kinds), tuple(labels), stacked, tuple(notes))


def _in_order(kind: str, labels: Iterable[str]) -> list[str]:
    known = [name for name, _ in SIZE_CLASSES] if kind == "size" else []
    return sorted(labels, key=lambda label: (known.index(label) if label in known else len(known), label))
