"""How a sweep's study proposes configurations: Optuna's samplers, grid search, and no configuration twice."""

import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, QMCSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from embedllm.errors import ConfigError
from tune.config import Range, SearchSpace, SweepConfig
from tune.search.memory import recent_study, remembers_all
from tune.search.space import enumerate_space, space_size, start_configurations

STARTUP_TRIALS = 12
"""Trials before TPE makes proposals: the preset on each encoder, the rest random."""

EXPLORE_EVERY = 8
"""Every eighth trial under TPE is random, as in BOHB: TPE is greedy about choices and would otherwise stay to the end
with the encoder and training size that happened to do well at first."""

RESAMPLES = 8
"""Proposals tried before a used-up configuration is replaced by a random unused one."""


def make_sampler(
    config: SweepConfig, space: Mapping[str, BaseDistribution], ordinal: int, starts: Sequence[dict[str, Any]] = ()
) -> BaseSampler:
    """The sampler for the next generation of trials.

    Args:
        config: names the sampler and its seed.
        space: distribution of every axis.
        ordinal: number of trials proposed before. It enters the seed: a resumed sweep must not draw its first
            configurations once more.
        starts: proposed before all others.
    """
    seed, seed_to_explore = np.random.SeedSequence([config.seed, ordinal]).generate_state(2).tolist()
    base: BaseSampler
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if config.sampler == "tpe":
            base = TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS, multivariate=True, constant_liar=True)
        elif config.sampler == "qmc":
            # One low-discrepancy sequence runs through the whole sweep; its position is kept in the study.
            base = QMCSampler(scramble=True, seed=config.seed, warn_independent_sampling=False)
        elif config.sampler == "cmaes":
            base = CmaEsSampler(seed=seed, warn_independent_sampling=False)
        else:
            base = RandomSampler(seed=seed)
    finite = config.space if space_size(config.space) is not None else None
    explorer = RandomSampler(seed=seed_to_explore) if config.sampler == "tpe" else None
    return JointSampler(base, explorer, space, seed, finite, ordinal, starts, in_order=config.sampler == "grid")


def unused_starts(study: Study, config: SweepConfig, num_train: int, ordinal: int) -> list[dict[str, Any]]:
    """The start configurations TPE has still to propose; none for other samplers.

    TPE follows what did well in its first few trials. Without a fair trial of each encoder among them it settles on one
    by chance: see the section on proposals in benchmarks/RESULTS.md. CMA-ES learns nothing from trials it did not
    propose, and chooses encoders at random to the end.

    Args:
        study: the search's.
        config: the sweep's.
        num_train: number of training questions.
        ordinal: number of trials proposed before.
    """
    starts = start_configurations(config, num_train) if config.sampler == "tpe" else []
    if ordinal >= len(starts):
        return []
    used = _used(study)  # lost ones wait to be run again
    return [values for values in starts if _key(values) not in used]


class JointSampler(BaseSampler):
    """Proposes all axes of a configuration at once and, in a finite space, none that was proposed before.

    Args:
        base: the sampler that makes the proposals.
        explorer: makes every eighth of them, where there is one.
        space: distribution of every axis.
        seed: seed of the choice among unused configurations.
        finite: the search space if every axis is a list of choices; None if one is a range.
        ordinal: number of trials proposed before.
        starts: configurations to propose before all others.
        in_order: propose the unused configurations in the order of the axes: grid search.
    """

    def __init__(
        self,
        base: BaseSampler,
        explorer: BaseSampler | None,
        space: Mapping[str, BaseDistribution],
        seed: int,
        finite: SearchSpace | None,
        ordinal: int,
        starts: Sequence[dict[str, Any]] = (),
        *,
        in_order: bool,
    ) -> None:
        self._base = base
        self._space = dict(space)
        self._random = np.random.default_rng(seed)
        self._finite = finite
        self._used: set[tuple[Any, ...]] | None = None
        self._left: Iterator[dict[str, Any]] = iter(())
        self._ordinal = ordinal
        self._starts = deque(starts)
        self._explorer = explorer
        self._in_order = in_order
        self._memory: Study | None = None
        numeric = {name: axis for name, axis in space.items() if not isinstance(axis, CategoricalDistribution)}
        self._relative = numeric if isinstance(base, CmaEsSampler | QMCSampler) else self._space

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All axes, known before the first trial."""
        return self._space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """One value per axis."""
        if "fixed_params" in trial.system_attrs:  # a lost trial's configuration, to be run again
            return dict(trial.system_attrs["fixed_params"])
        self._ordinal += 1
        if self._finite is None:
            return self._starts.popleft() if self._starts else self._propose(study, trial)
        if self._used is None:  # once for all proposals of one call, which are added: a long sweep has used many
            self._used = _used(study)
            self._left = enumerate_space(self._finite)
        values = self._unused(study, trial, self._finite, self._used)
        self._used.add(_key(values))
        return values

    def _unused(
        self, study: Study, trial: FrozenTrial, space: SearchSpace, used: set[tuple[Any, ...]]
    ) -> dict[str, Any]:
        """A configuration of a finite space that is not used: proposed, or any where proposals are used up."""
        if self._starts:
            return self._starts.popleft()
        if self._in_order:
            found = next((values for values in self._left if _key(values) not in used), None)
            if found is not None:
                return found
        size = space_size(space) or 0
        if len(used) >= size:
            raise ConfigError(f"all {size:,} configurations of the search space have been tried")
        for _ in range(RESAMPLES):
            values = self._propose(study, trial)
            if _key(values) not in used:
                return values
        if 2 * len(used) < size:  # may be too many to list, but half of all draws hit
            while True:
                values = {name: axis[self._random.integers(len(axis))] for name, axis in _choices(space).items()}
                if _key(values) not in used:
                    return values
        unused = [values for values in enumerate_space(space) if _key(values) not in used]
        return unused[self._random.integers(len(unused))]

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Not reached by this project's spaces; the base sampler's answer."""
        return self._base.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Hand on to the base sampler."""
        self._base.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Hand on to the base sampler."""
        self._base.after_trial(study, trial, state, values)

    def _propose(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        base = self._base
        if self._explorer is not None and self._ordinal % EXPLORE_EVERY == 0:
            base = self._explorer
        elif isinstance(base, TPESampler) and not remembers_all(study):
            if self._memory is None:  # once for all proposals of one call: they are running trials to one another
                self._memory = recent_study(study, base, self._space)
            return self._memory.ask(self._space).params
        drawn = base.sample_relative(study, trial, dict(self._relative))
        return {
            name: drawn[name] if name in drawn else base.sample_independent(study, trial, name, axis)
            for name, axis in self._space.items()
        }


def _choices(space: SearchSpace) -> dict[str, list[Any]]:
    return {name: axis for name, axis in space.axes().items() if not isinstance(axis, Range)}


def unused_configurations(study: Study, config: SweepConfig) -> int | None:
    """How many configurations are left to propose; None if there is no end of them."""
    size = space_size(config.space)
    return None if size is None else size - len(_used(study))


def _used(study: Study) -> set[tuple[Any, ...]]:
    """Configurations that finished, run or wait. A failed one may be tried again only if its trial was lost."""
    return {
        _key(trial.params or trial.system_attrs.get("fixed_params", {}))
        for trial in study.get_trials(deepcopy=False)
        # A trial that is just being asked for has no configuration yet, or half of one.
        if ("config" in trial.user_attrs or trial.state == TrialState.WAITING) and not trial.user_attrs.get("lost")
    }


def _key(values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted(values.items()))
