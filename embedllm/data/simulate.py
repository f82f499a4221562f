"""Simulated correctness data with the shape of the public EmbedLLM data and a known truth.

A model has a general ability, a skill per domain, a reasoning skill and quirks per benchmark; a question has a topic, a
difficulty and a share of reasoning, and its words give most of that away. Right answers are drawn from the resulting
probability. Averages per benchmark follow those of the real data (mean accuracy 40.6 %, sd over models 9.0 points).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from embedllm.data.benchmarks import BENCHMARK_SIZES
from embedllm.data.matrix import SPLIT_NAMES, CorrectnessMatrix
from embedllm.data.splits import random_split
from embedllm.data.vocabulary import (
    BENCHMARKS,
    DOMAIN_WORDS,
    EASY_WORDS,
    FILLER_WORDS,
    HARD_WORDS,
    OPENINGS,
    REASONING_WORDS,
    RECALL_WORDS,
    topics_of,
)
from embedllm.errors import DataError

PAPER_MODELS = 112
PAPER_QUESTIONS = sum(BENCHMARK_SIZES.values())

MEAN_ACCURACY = dict(
    zip(BENCHMARKS, (0.034, 0.203, 0.422, 0.327, 0.337, 0.427, 0.536, 0.805, 0.319, 0.309), strict=True)
)
"""Accuracy per benchmark, averaged over the 112 models of the paper's pool (its public labels)."""

_ABILITY_WEIGHT = dict(zip(BENCHMARKS, (0.4, 0.25, 1.1, 0.5, 0.6, 0.7, 0.9, 0.5, 0.1, 0.4), strict=True))
"""How strongly a benchmark tells able models from weak ones; asdiv, gpqa and social_iqa hardly do in the real data."""

_SIZES = (0.5, 1.8, 3, 7, 7, 7, 8, 13, 13, 34, 70, 72)  # billions of parameters; 7B is the most common size
_SPECIALTIES = {"chat": None, "base": None, "code": "computing", "math": "maths", "med": "medicine"}
_TWICE_GRADED = ("gsm8k", "_cot_zeroshot", "_cot_n_shot", "_generative_n_shot")  # two answer filters in the harness
_SECOND_GRADE_FOLLOWS = 0.85  # share of second grades that repeat the first instead of being drawn anew
_TOPIC_WORDS = 12
_CHUNK = 4096  # questions per block of the (models, questions) computation; part of what a seed means


@dataclass(frozen=True)
class _Questions:
    """Latent properties of the questions, arrays of shape (questions,)."""

    topic: np.ndarray  # int64 into the topic list
    benchmark: np.ndarray  # int64 into BENCHMARKS
    level: np.ndarray  # visible difficulty, standard normal
    hidden: np.ndarray  # the part of the difficulty that no word shows
    reasoning: np.ndarray  # share of reasoning against recall, in [0, 1]


@dataclass(frozen=True)
class _Models:
    """Latent properties of the models."""

    ability: np.ndarray  # (models, topics): general ability plus skill in the topic
    reasoning: np.ndarray  # (models,)
    quirk: np.ndarray  # (models, benchmarks)
    table: pa.Table


def simulate(
    *,
    models: int = PAPER_MODELS,
    questions: int = PAPER_QUESTIONS,
    seed: int = 0,
    missing: float = 0.0,
    duplicates: bool = False,
    words: int = 24,
) -> CorrectnessMatrix:
    """Simulated correctness data.

    Args:
        models: number of LLMs. Their metadata: `parameters`, `family`, `specialty`.
        questions: number of questions; the ten benchmarks keep the paper's proportions, at least one question each.
        seed: the same arguments and seed give the same data.
        missing: share of cells without a label, missing at random, in [0, 1).
        duplicates: grade GSM8K and three of the five GPQA styles twice, with some conflicts, as the public data does.
        words: mean number of words per question; 65 gives about 400 characters.

    Returns:
        Data with `meta["simulated"]` true, sides train/val/test (80/10/10, stratified) in `questions`, and in
        `meta["truth"]` the accuracy and log-loss of a predictor that knows the true probabilities (the Bayes bound).

    Raises:
        DataError: listing every argument out of range, or if `missing` leaves no label at all.
    """
    return _generate(models, questions, seed, missing, duplicates, words, keep_truth=False)[0]


def simulate_with_truth(
    *,
    models: int = PAPER_MODELS,
    questions: int = PAPER_QUESTIONS,
    seed: int = 0,
    missing: float = 0.0,
    duplicates: bool = False,
    words: int = 24,
) -> tuple[CorrectnessMatrix, np.ndarray]:
    """As `simulate`, and the true P(correct): float32 of shape (models, questions)."""
    data, truth = _generate(models, questions, seed, missing, duplicates, words, keep_truth=True)
    assert truth is not None
    return data, truth


def _generate(
    models: int, questions: int, seed: int, missing: float, duplicates: bool, words: int, *, keep_truth: bool
) -> tuple[CorrectnessMatrix, np.ndarray | None]:
    problems = []
    for name, value, low in (("models", models, 1), ("questions", questions, len(BENCHMARKS)), ("words", words, 4)):
        if value < low:
            problems.append(f"{name} must be at least {low} but is {value}")
    if seed < 0:
        problems.append(f"seed must be zero or positive but is {seed}")
    if not 0 <= missing < 1:
        problems.append(f"missing must lie in [0, 1) but is {missing}")
    if problems:
        raise DataError("the arguments of the simulation", problems)

    # Independent streams: texts do not change with the number of models, nor labels with the number of words.
    layout_rng, model_rng, text_rng, label_rng = np.random.default_rng(seed).spawn(4)
    topics = [(benchmark, *topic) for benchmark in BENCHMARKS for topic in topics_of(benchmark)]
    latent = _draw_questions(topics, questions, layout_rng)
    pool = _draw_models(topics, models, model_rng)
    bias = _calibrate(latent, pool)
    categories = np.array([category for _, category, _ in topics], dtype=object)[latent.topic]
    twice = np.zeros(questions, dtype=bool)
    if duplicates:
        names = pd.Series(categories)
        twice = (names.eq("gsm8k") | names.str.endswith(_TWICE_GRADED[1:])).to_numpy()

    correct = np.empty((models, questions), dtype=np.uint8)
    attempts = np.empty((models, questions), dtype=np.uint8)
    truth = np.empty((models, questions), dtype=np.float32) if keep_truth else None
    graded, best_hits, best_loss = 0, 0.0, 0.0
    for start in range(0, questions, _CHUNK):
        part = slice(start, min(start + _CHUNK, questions))
        p = _probability(latent, pool, bias, part)
        first = label_rng.random(p.shape, dtype=np.float32) < p
        count = np.where(label_rng.random(p.shape, dtype=np.float32) >= missing, 1 + twice[part].astype(np.uint8), 0)
        follows = label_rng.random(p.shape, dtype=np.float32) < _SECOND_GRADE_FOLLOWS
        second = np.where(follows, first, label_rng.random(p.shape, dtype=np.float32) < p)
        attempts[:, part] = count
        correct[:, part] = (first & (count > 0)).astype(np.uint8) + (second & (count > 1))
        graded += int(count.sum())
        best_hits += float((count * np.maximum(p, 1 - p)).sum(dtype=np.float64))
        best_loss -= float((count * (p * np.log(p) + (1 - p) * np.log1p(-p))).sum(dtype=np.float64))
        if truth is not None:
            truth[:, part] = p

    if not graded:
        problem = f"missing {missing} leaves {models:,} models on {questions:,} questions without any label; lower it"
        raise DataError("the arguments of the simulation", [problem])
    meta = {
        "source": f"simulated (seed {seed})",
        "simulated": True,
        "simulation": {"models": models, "questions": questions, "seed": seed, "missing": missing}
        | {"duplicates": duplicates, "words": words},
        "truth": {"accuracy": best_hits / graded, "log_loss": best_loss / graded},
    }
    table = pa.table(
        {
            "prompt_id": pa.array(np.arange(questions)).cast(pa.string()),
            "prompt": _texts(topics, latent, words, text_rng),
            "benchmark": pa.array(np.array(BENCHMARKS, dtype=object)[latent.benchmark], pa.string()),
            "category": pa.array(categories, pa.string()),
            "split": pa.nulls(questions, pa.string()),
        }
    )
    unsplit = CorrectnessMatrix(correct, attempts, table, pool.table, meta)
    sides = random_split(unsplit, seed=seed).sides(questions)
    table = table.set_column(4, "split", pa.array(np.array(SPLIT_NAMES, dtype=object)[sides], pa.string()))
    return CorrectnessMatrix(correct, attempts, table, pool.table, meta), truth


def _draw_questions(topics: list[tuple[str, str, str]], questions: int, rng: np.random.Generator) -> _Questions:
    # One question each, then the rest in the paper's proportions by largest remainder.
    rest = questions - len(BENCHMARKS)
    exact = (np.array(list(BENCHMARK_SIZES.values())) - 1) * rest / (PAPER_QUESTIONS - len(BENCHMARKS))
    sizes = np.floor(exact).astype(np.int64)
    sizes[np.argsort(sizes - exact, kind="stable")[: rest - sizes.sum()]] += 1
    benchmark = np.repeat(np.arange(len(BENCHMARKS)), sizes + 1)
    benchmark_of_topic = np.array([BENCHMARKS.index(name) for name, _, _ in topics])
    first = np.searchsorted(benchmark_of_topic, np.arange(len(BENCHMARKS)))
    count = np.bincount(benchmark_of_topic)
    topic = first[benchmark] + (rng.random(questions) * count[benchmark]).astype(np.int64)
    topic_level = rng.normal(0, 0.6, len(topics))
    return _Questions(
        topic=topic,
        benchmark=benchmark,
        level=topic_level[topic] + rng.normal(0, 0.8, questions),
        hidden=rng.normal(0, 0.6, questions),
        reasoning=rng.beta(1.5, 1.5, questions),
    )


def _draw_models(topics: list[tuple[str, str, str]], models: int, rng: np.random.Generator) -> _Models:
    domains = list(DOMAIN_WORDS)
    domain_of_topic = np.array([domains.index(domain) for _, _, domain in topics])
    families = max(2, models // 6)
    family = rng.integers(families, size=models)
    size = np.array(_SIZES)[rng.integers(len(_SIZES), size=models)]
    specialty = rng.choice(list(_SPECIALTIES), size=models, p=(0.5, 0.2, 0.1, 0.1, 0.1))

    skill = rng.normal(0, 0.45, (families, len(domains)))[family] + rng.normal(0, 0.3, (models, len(domains)))
    general = rng.normal(0, 0.4, families)[family] + 0.3 * np.log2(size / 7) + rng.normal(0, 0.3, models)
    for name, domain in _SPECIALTIES.items():
        if domain is not None:
            skill[specialty == name, domains.index(domain)] += 1.0
            general[specialty == name] -= 0.5
    topic_skill = skill[:, domain_of_topic] + rng.normal(0, 0.25, (models, len(topics)))
    quirk = rng.normal(0, 0.35, (models, len(BENCHMARKS)))
    quirk[:, BENCHMARKS.index("asdiv")] += rng.normal(0, 1.0, models)  # one odd model solves it, the others do not
    stem = pd.Series([f"sim-f{f:02d}-{s:g}b-{kind}" for f, s, kind in zip(family, size, specialty, strict=True)])
    copies = stem.groupby(stem).cumcount().tolist()
    names = [name if not copy else f"{name}-v{copy + 1}" for name, copy in zip(stem, copies, strict=True)]
    table = pa.table(
        {
            "model_id": pa.array(np.arange(models)).cast(pa.string()),
            "model_name": pa.array(names),
            "parameters": pa.array((size * 1e9).astype(np.int64)),
            "family": pa.array([f"f{f:02d}" for f in family]),
            "specialty": pa.array(specialty.tolist()),
        }
    )
    ability = (general[:, None] + topic_skill).astype(np.float32)
    return _Models(ability, rng.normal(0, 0.8, models).astype(np.float32), quirk.astype(np.float32), table)


def _log_odds(latent: _Questions, pool: _Models, part: slice | np.ndarray) -> np.ndarray:
    """Log-odds without the benchmark's bias: float32 of shape (models, questions of the part)."""
    benchmark = latent.benchmark[part]
    weight = np.array(list(_ABILITY_WEIGHT.values()))[benchmark].astype(np.float32)
    ability = pool.ability[:, latent.topic[part]]
    ability += pool.reasoning[:, None] * (2 * latent.reasoning[part] - 1).astype(np.float32)
    difficulty = (0.9 * latent.level[part] + latent.hidden[part]).astype(np.float32)
    return weight * ability + pool.quirk[:, benchmark] - difficulty


def _probability(latent: _Questions, pool: _Models, bias: np.ndarray, part: slice) -> np.ndarray:
    z = _log_odds(latent, pool, part) + bias[latent.benchmark[part]].astype(np.float32)
    return 1 / (1 + np.exp(-np.clip(z, -12, 12)))


def _calibrate(latent: _Questions, pool: _Models) -> np.ndarray:
    """The bias per benchmark that gives its real mean accuracy, by bisection on a sample of its questions."""
    bias = np.zeros(len(BENCHMARKS))
    for number, benchmark in enumerate(BENCHMARKS):
        members = np.flatnonzero(latent.benchmark == number)
        z = _log_odds(latent, pool, members[:: max(1, len(members) // 1000)])
        low, high = -12.0, 12.0
        for _ in range(20):
            middle = (low + high) / 2
            mean = float(np.mean(1 / (1 + np.exp(-z - middle))))
            low, high = (middle, high) if mean < MEAN_ACCURACY[benchmark] else (low, middle)
        bias[number] = (low + high) / 2
    return bias


def _texts(topics: list[tuple[str, str, str]], latent: _Questions, words: int, rng: np.random.Generator) -> pa.Array:
    """One prompt per question, string array: an opening, then words that hint at topic, difficulty and reasoning."""
    domains = list(DOMAIN_WORDS)
    texts = (*DOMAIN_WORDS.values(), EASY_WORDS, HARD_WORDS, RECALL_WORDS, REASONING_WORDS, FILLER_WORDS)
    groups = [text.split() for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(group) for group in groups])])
    easy, hard, recall, reason, filler = starts[len(domains) : len(domains) + 5]
    vocabulary = pa.array([word for group in groups for word in group])
    domain_of_topic = [domains.index(domain) for _, _, domain in topics]
    topic_words = np.stack([starts[d] + rng.permutation(len(groups[d]))[:_TOPIC_WORDS] for d in domain_of_topic])

    length = np.maximum(4, np.round(words * rng.uniform(0.5, 1.5, len(latent.topic)))).astype(np.int64)
    question = np.repeat(np.arange(len(length)), length)
    kind, pick, side = rng.random((3, len(question)))
    is_hard = side < 1 / (1 + np.exp(-2.5 * latent.level[question]))
    is_reasoning = side < latent.reasoning[question]
    word = topic_words[latent.topic[question], (pick * _TOPIC_WORDS).astype(np.int64)]
    ten = (pick * 10).astype(np.int64)
    word = np.where(kind < 0.6, np.where(is_reasoning, reason, recall) + ten, word)
    word = np.where(kind < 0.4, np.where(is_hard, hard, easy) + ten, word)
    word = np.where(kind < 0.2, filler + (pick * len(groups[-1])).astype(np.int64), word)
    offsets = np.concatenate([[0], np.cumsum(length)])
    body = pc.binary_join(pa.LargeListArray.from_arrays(offsets, vocabulary.take(pa.array(word))), " ")
    opening = pa.array([_opening(benchmark, category) for benchmark, category, _ in topics])
    return pc.binary_join_element_wise(opening.take(pa.array(latent.topic)), body, " ").cast(pa.string())


def _opening(benchmark: str, category: str) -> str:
    subject = f" {category.removeprefix('mmlu_').replace('_', ' ')}:" if benchmark == "mmlu" else ""
    return OPENINGS[benchmark] + subject
