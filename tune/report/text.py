"""A sweep's result in plain sentences: what was searched, who won, and whether the difference is more than noise."""

from collections.abc import Mapping, Sequence
from typing import Any

from embedllm.titles import METHOD_NAMES
from embedllm.visible import shell_word
from tune.config import Range
from tune.figures.selection import quantity_title
from tune.labels import encoder_label, exhausted_text, seeds_text
from tune.records import TrialRecord
from tune.results.finalists_table import compared_metric, gain_over
from tune.results.leaderboard import is_comparable
from tune.results.pareto import front_sentences
from tune.results.standings import Standings
from tune.search.ranking import is_exhausted

AXIS_TITLES = {
    "encoder": "question encoder",
    "embedding_dim": "embedding dimension",
    "noise": "noise α",
    "training_questions": "training size",
    "learning_rate": "learning rate",
    "weight_decay": "weight decay",
    "batch_questions": "batch size",
    "epochs": "epochs",
}

FEWEST = {
    "training_questions": "fewest training questions",
    "embedding_dim": "smallest embedding dimension",
    "epochs": "fewest epochs",
    "seconds": "shortest training",
    "parameters": "fewest parameters",
}
"""Costs as goals."""
SPOKEN = {name.baseline or method: name.spoken for method, name in METHOD_NAMES.items()}
"""Methods in sentences, by their keys in a sweep's tables."""


def headline(standings: Standings) -> list[str]:
    """Paragraphs for the top of a report; also true while the sweep runs, and where nothing has succeeded."""
    several = standings.config.objectives is not None
    front = front_sentences(standings.records, standings.config.goals)[:1] if several else []
    return [text for text in (_progress(standings), _winner(standings), _verdict(standings), *front) if text]


def search_sentence(standings: Standings) -> str:
    """What was searched, for what, with how much."""
    config, sizes = standings.config, standings.folder.questions
    axes = config.space.axes()
    varied = [AXIS_TITLES[name] for name, axis in axes.items() if isinstance(axis, Range) or len(axis) > 1]
    goals = " and the ".join(
        FEWEST.get(goal.name)
        or f"{'lowest' if goal.direction == 'minimize' else 'highest'} {quantity_title(goal.name)}"
        for goal in config.goals
    )
    text = (
        f"{config.trials} trials, {seeds_text(config.seeds)} each, searched {_listed(varied) or 'one configuration'} "
        f"for the {goals}."
    )
    return (
        f"{text} They trained on up to {sizes['train']:,} questions and were ranked on {sizes['val']:,} others; "
        f"{sizes['test']:,} more were kept for the finalists."
    )


def _progress(standings: Standings) -> str | None:
    """What is missing of a sweep that has not finished."""
    target = standings.config.trials
    done = standings.count("COMPLETE") + standings.count("PRUNED")
    running = standings.count("RUNNING")
    exhausted = is_exhausted(standings.records, standings.config)
    if (done >= target or exhausted) and not running:
        if standings.winner is None:
            return "The search is complete, but the winner has not been judged on the test questions yet."
        return None if done >= target else exhausted_text(done, target)
    state = f"Not finished: {done} of {target} trials so far"
    if running:
        return f"{state}, {running} running. What follows is the current state."
    again = f"python -m tune resume {shell_word(standings.path.name)}"
    return f"{state}. Run `{again}` to continue; what follows is the current state."


def _winner(standings: Standings) -> str:
    """The best trial by validation, against the paper's recipe on the same questions."""
    best, objective = standings.best, standings.objective
    if best is None:
        return "No trial has succeeded."
    measure = quantity_title(objective)
    leads = standings.winner is not None and standings.winner.trial == best.trial
    text = (
        f"{f'The winner is trial {best.trial}' if leads else f'Trial {best.trial} is in the lead'} "
        f"({_described(best, standings)}): {measure} {_with_sd(best, objective)}."
    )
    baseline = standings.baseline
    if baseline is None:
        return f"{text} The paper's recipe has not finished, so there is nothing to compare it with yet."
    if not is_comparable(best, objective):
        return text
    delta = best.metrics[objective] - baseline.metrics[objective]
    text += (
        f" The paper's recipe on the same data has {_with_sd(baseline, objective)}, a difference of {_signed(delta)}"
    )
    bounds = standings.intervals.bounds.get((best.role, best.trial))
    if bounds is not None:
        text += f" (paired 95 % interval over {standings.intervals.questions:,} questions: {_range(bounds)})"
    count = sum(record.role == "trial" and is_comparable(record, objective) for record in standings.records)
    if count < 2:
        return f"{text}."
    return (
        f"{text}. As the best of {count}, it looks better on these questions than it is; the test questions give a "
        "fair comparison."
    )


def _verdict(standings: Standings) -> str | None:
    """How the winner stands on the test questions, and where the difference is within noise."""
    if standings.winner is None or not standings.finalists:
        return None
    metric = compared_metric(standings.objective)
    row = standings.finalists[0]
    judged: dict[str, list[str]] = {"better": [], "worse": [], "noise": []}
    for other in standings.finalists:
        if other["method"] == "finalist":
            continue  # another point of the same search: no rival
        gain = gain_over(other, metric)
        if gain is not None:
            judged[gain].append(_called(other))
    title = quantity_title(f"test_{metric}").removeprefix("test ")
    error = row.get(f"{metric}_se")
    reached = f"{row[metric]:.4f}" + ("" if error is None else f" ± {error:.4f}")
    text = (
        f"On the {row['questions']:,} test questions, which played no part in any choice, "
        f"trial {standings.winner.trial} has {title} {reached}."
    )
    if judged["better"]:
        text += f" It is better than {_listed(judged['better'])} by more than the noise of the questions."
    if judged["worse"]:
        text += f" It is worse than {_listed(judged['worse'])} by more than the noise of the questions."
    if judged["noise"]:
        text += f" It is not distinguishable from {_listed(judged['noise'])}."
    return text


def _described(record: TrialRecord, standings: Standings) -> str:
    """`lsa, dimension 27, α 0.054, all training questions`."""
    config, count = record.config, record.config.training_questions
    everything = count is None or count == standings.folder.questions["train"]
    size = "all training questions" if everything else f"{count:,} training questions"
    return f"{encoder_label(config.encoder)}, dimension {config.embedding_dim}, α {config.noise:.2g}, {size}"


def _called(row: Mapping[str, Any]) -> str:
    """A method as it stands in a sentence."""
    return SPOKEN.get(row["method"], str(row["title"]))


def _with_sd(record: TrialRecord, metric: str) -> str:
    sd = record.metrics.get(f"{metric}_sd")
    return f"{record.metrics[metric]:.4f}" + ("" if sd is None else f" ± {sd:.4f}")


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _range(bounds: tuple[float, float]) -> str:
    return f"{_signed(bounds[0])} to {_signed(bounds[1])}"


def _listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + (names[-1] if names else "")
