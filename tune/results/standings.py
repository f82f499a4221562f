"""How a sweep stands, read from its folder alone: what leaderboards and reports are made of.

    standings = Standings.read("sweep")
    print(render(standings.frame(top=10), standings.objective, footnotes=standings.footnotes()))

Reads a sweep that is running, too, and neither Ray nor MLflow is asked.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tune.config import SweepConfig
from tune.folder import SweepFolder
from tune.records import TrialRecord, TrialState
from tune.results.finalists import finalist_metrics
from tune.results.footnotes import footnotes
from tune.results.leaderboard import baseline_record, is_comparable, leaderboard
from tune.results.scores import DeltaIntervals, delta_intervals
from tune.results.winner import Winner, read_winner
from tune.search.ranking import best_record
from tune.search.study import read_records


@dataclass(frozen=True)
class Standings:
    """A sweep's records and what is known about them.

    Args:
        folder: path, configuration, data digest, sizes of the split.
        records: every trial that says something about its configuration, the baseline first; lost ones are left out.
        intervals: of the trials' differences to the baseline, by the objective.
        winner: the one crowned last, None where the sweep has not come that far.
    """

    folder: SweepFolder
    records: Sequence[TrialRecord]
    intervals: DeltaIntervals
    winner: Winner | None

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Standings":
        """Read a sweep's folder.

        Raises:
            ConfigError: if it is none.
        """
        folder = SweepFolder.open(path)
        records = [record for record in read_records(folder.path) if not record.lost]
        objective = folder.config.objective
        trials = [record for record in records if record.role == "trial" and is_comparable(record, objective)]
        intervals = delta_intervals(folder.path, trials, baseline_record(records, objective), objective)
        return cls(folder, records, intervals, read_winner(folder.path))

    @property
    def config(self) -> SweepConfig:
        return self.folder.config

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def objective(self) -> str:
        return self.config.objective

    @property
    def baseline(self) -> TrialRecord | None:
        """The paper's recipe, where it is finished."""
        return baseline_record(self.records, self.objective)

    @property
    def best(self) -> TrialRecord | None:
        """The best trial by the validation questions."""
        return best_record(self.records, self.config)

    @property
    def finalists(self) -> Sequence[Mapping[str, Any]]:
        """Rows of :func:`tune.results.finalists.finalist_rows`; none before a winner is crowned."""
        return () if self.winner is None else self.winner.rows

    def count(self, state: TrialState) -> int:
        """Number of trials in a state, the baseline not counted."""
        return sum(record.role == "trial" and record.state == state for record in self.records)

    def frame(
        self, *, top: int | None = None, sort: str | None = None, states: Collection[TrialState] | None = None
    ) -> pd.DataFrame:
        """The leaderboard; see :func:`tune.results.leaderboard.leaderboard`."""
        return leaderboard(
            self.records,
            self.objective,
            top=top,
            sort=sort,
            states=states,
            num_train=self.folder.questions["train"],
            intervals=self.intervals,
            finalists=finalist_metrics(self.finalists, self.baseline),
        )

    def footnotes(self) -> list[str]:
        """Sentences below the leaderboard."""
        return footnotes(self.records, self.objective, self.intervals)
