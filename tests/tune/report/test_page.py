"""The report: one self-contained page, true for finished, unfinished and moved sweeps."""

import dataclasses
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tune.config import SearchSpace, SweepConfig
from tune.report.page import describe_data, report_page, write_report
from tune.report.runs import note_run
from tune.report.text import headline, search_sentence
from tune.results.standings import Standings
from tune.tracking.provenance import Provenance

OUTSIDE = {"src", "href", "data", "action", "srcset", "poster"}
PROVENANCE = Provenance("python -m tune run pool", "c" * 40, {"torch": "2.0"}, "Linux, 2 CPUs", "me", "pool", "d" * 16)


class References(HTMLParser):
    """Addresses a page refers to, the text it shows, and its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name.split(":")[-1] in OUTSIDE]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> tuple[References, str]:
    found = References()
    found.feed(html)
    return found, " ".join(" ".join(found.text).split())


def page_text(standings: Standings) -> str:
    """The report's text without figures."""
    return read(report_page(standings, describe_data(standings), []).html())[1]


def altered(standings: Standings, **changes: object) -> Standings:
    return dataclasses.replace(standings, **changes)  # type: ignore[arg-type]


def test_the_page_is_one_file_that_refers_to_nothing_outside(finished_sweep: Path) -> None:
    note_run(finished_sweep, PROVENANCE)
    file = write_report(Standings.read(finished_sweep))
    assert file == finished_sweep / "report.html"
    found, text = read(file.read_text())
    assert [address for address in found.addresses if not address.startswith(("#", "data:"))] == []
    assert not {"script", "link", "iframe", "img"} & set(found.tags)
    assert not re.search(r"@import|url\((?!#)", file.read_text())
    assert found.tags.count("svg") >= 3, "figures are part of it"
    for section in ("Leaderboard", "On the test questions", "The winner", "The search", "Trials", "The data",
                    "Reproducing this sweep", "Environment"):  # fmt: skip
        assert section in text
    for said in (
        "4 epochs: 2 trials", "2 epochs: 2 trials", "paired 95 % percentile interval", "model × benchmark lookup",
        "embedllm route sweep/winner", "load_artifact('sweep/winner')", "python -m tune rerun sweep",
        f"commit {'c' * 40}", "torch 2.0", "Linux, 2 CPUs", "python -m tune run pool", "6 models, 240 questions",
        "The data is simulated",
    ):  # fmt: skip
        assert said in text, said


def test_a_page_elsewhere_leaves_the_sweep_as_it_was(finished_sweep: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in finished_sweep.rglob("*"))
    write_report(Standings.read(finished_sweep), tmp_path / "new" / "page.html")
    assert (tmp_path / "new" / "page.html").is_file()
    assert sorted(path.name for path in finished_sweep.rglob("*")) == before


def test_the_headline_says_who_won_and_how_sure_that_is(trained_sweep: Path) -> None:
    standings = Standings.read(trained_sweep)
    winner, verdict = headline(standings)
    assert standings.winner is not None
    assert winner.startswith(f"The winner is trial {standings.winner.trial} (lsa:8, dimension 4, α 0.05, ")
    assert re.search(
        r"validation log-loss 0\.\d{4} ± 0\.\d{4}\. The paper's recipe on the same data has .*, "
        r"a difference of [+−]0\.\d{4} \(paired 95 % interval over 24 questions: .* to .*\)\. "
        r"As the best of 4, it looks better on these questions than it is; "
        r"the test questions give a fair comparison\.$",
        winner,
    )
    assert re.match(
        r"On the 24 test questions, which played no part in any choice, trial \d has log-loss 0\.\d{4} ± 0\.\d{4}\.",
        verdict,
    )
    assert search_sentence(standings) == (
        "4 trials, 2 seeds each, searched training size and epochs for the lowest validation log-loss. "
        "They trained on up to 192 questions and were ranked on 24 others; 24 more were kept for the finalists."
    )


@pytest.mark.parametrize(
    ("delta", "said"),
    [
        ((0.1, 0.05, 0.15), "It is better than kNN by more than the noise of the questions."),
        ((-0.1, -0.15, -0.05), "It is worse than kNN by more than the noise of the questions."),
        ((0.1, -0.05, 0.25), "It is not distinguishable from kNN."),
    ],
)
def test_the_verdict_is_the_intervals(trained_sweep: Path, delta: tuple[float, float, float], said: str) -> None:
    standings = Standings.read(trained_sweep)
    assert standings.winner is not None
    other = {"method": "knn", "title": "kNN", "about": "", "note": ""} | dict(
        zip(("log_loss_delta", "log_loss_delta_low", "log_loss_delta_high"), delta, strict=True)
    )
    finalist = other | {"method": "finalist", "title": "trial 99"}
    winner = dataclasses.replace(standings.winner, rows=[standings.winner.rows[0], other, finalist])
    verdict = headline(altered(standings, winner=winner))[-1]
    assert verdict.endswith(said), "other finalists are no rivals"


def test_an_unfinished_sweep_says_so(trained_sweep: Path) -> None:
    standings = Standings.read(trained_sweep)
    wider = standings.config.replace(trials=20, sampler="random", space=SearchSpace())
    more = dataclasses.replace(standings.folder, config=wider)
    running = dataclasses.replace(standings.records[1], trial=77, state="RUNNING", metrics={}, budget=0)
    paused = altered(standings, folder=more, winner=None)
    assert headline(paused)[0].startswith(
        "Not finished: 4 of 20 trials so far. Run `python -m tune resume sweep` to continue"
    )
    live = altered(paused, records=[*standings.records, running])
    assert headline(live)[0] == "Not finished: 4 of 20 trials so far, 1 running. What follows is the current state."
    text = page_text(live)
    assert " is in the lead (" in text
    assert "No winner has been judged on the test questions yet." in text
    assert "The best so far" in text
    judging = altered(standings, winner=None)
    assert headline(judging)[0].startswith("The search is complete, but the winner has not been judged")
    used_up = dataclasses.replace(standings.folder, config=standings.config.replace(trials=20))
    assert headline(altered(standings, folder=used_up))[0] == (
        "The search space has no more configurations: 4 trials instead of 20."
    )


def test_a_sweep_without_any_result_has_a_report(trained_sweep: Path) -> None:
    standings = altered(Standings.read(trained_sweep), records=[], winner=None)
    text = page_text(standings)
    assert "Not finished: 0 of 4 trials so far." in text
    assert "No trial has succeeded." in text


def test_failures_and_pruning_are_counted_with_reasons(trained_sweep: Path) -> None:
    standings = Standings.read(trained_sweep)
    some = standings.records[1]
    long = dataclasses.replace(some.config, epochs=10)
    records = [
        *standings.records,
        dataclasses.replace(some, trial=50, state="FAIL", metrics={}, reason="seed 0: diverged\nmore"),
        dataclasses.replace(some, trial=51, state="PRUNED", config=long, budget=2, reason="pruned after epoch 2 of 10"),
    ]
    text = page_text(altered(standings, records=records))
    assert "1 × seed 0: diverged" in text
    assert re.search(r"pruned 1, which saved \d+% of the epochs", text)


def test_data_that_is_gone_or_changed_costs_its_description_only(finished_sweep: Path) -> None:
    standings = Standings.read(finished_sweep)
    gone = dataclasses.replace(standings.folder, config=standings.config.replace(data="/nowhere"))
    assert "The data cannot be described: it cannot be read" in page_text(altered(standings, folder=gone))
    other = dataclasses.replace(standings.folder, digest="0" * 16)
    assert "it has changed since the sweep: its digest is" in page_text(altered(standings, folder=other))


def test_a_sweep_whose_scores_are_lost_and_that_was_run_from_python_has_a_report(finished_sweep: Path) -> None:
    shutil.rmtree(finished_sweep / "scores")
    text = page_text(Standings.read(finished_sweep))
    assert "No intervals: the baseline's scores per question are not in the sweep's folder." in text
    assert "Not recorded: the sweep was run from Python, not by python -m tune" in text


def test_a_report_of_many_objectives_shows_the_front(trained_sweep: Path) -> None:
    standings = Standings.read(trained_sweep)
    config = dataclasses.asdict(standings.config) | {"objectives": ["val_log_loss", "training_questions"]}
    several = SweepConfig.from_json(json.dumps(config))
    text = page_text(altered(standings, folder=dataclasses.replace(standings.folder, config=several)))
    assert "for the lowest validation log-loss and the fewest training questions." in text
    assert "front trial" in text
