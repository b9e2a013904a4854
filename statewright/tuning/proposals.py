"""The next trial: an unfinished one, the defaults, or what the sampler proposes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from statewright.tuning.again import next_repeat
from statewright.tuning.space_file import search_space
from statewright.tuning.study import AGAIN, AGAIN_RUNS, DEFAULT, REPEATED, SEARCH, Study, Trial, config_key
from statewright.workflow import WorkflowError

if TYPE_CHECKING:
    from statewright.search.sampler import Sampler

SAMPLERS = ("hybrid", "random", "tpe", "cmaes", "gp", "genetic")


def open_sampler(study: Study) -> Sampler:
    """Return the sampler of a study, told of the finished trials.

    Raises
    ------
    WorkflowError
        If a package of the sampler is not installed, with the command that installs it.
    """
    from statewright.search.sampler import make_sampler

    try:
        sampler = make_sampler(study.sampler, study.space, budget=study.budget, seed=study.seed)
    except (ValueError, ModuleNotFoundError) as error:
        raise WorkflowError(f"--sampler {study.sampler}: {error}") from error
    for trial in study.trials:
        tell(sampler, study, trial)
    return sampler


def tell(sampler: Sampler, study: Study, trial: Trial) -> None:
    """Tell the value of a trial, unless its params are outside the space."""
    if trial.kind != AGAIN and search_space().contains(study.space, trial.config):
        sampler.tell(trial.config, None if trial.value is None else study.sign * trial.value)


@dataclass
class Proposals:
    """Source of trials.

    Parameters
    ----------
    default : dict
        Params as they stand.
    unfinished : deque of Trial
        Trials that a killed study has started.
    count : int
        Number of trials so far, finished or not.
    """

    sampler: Sampler
    default: Mapping[str, Any]
    seed: int | None
    unfinished: deque[Trial] = field(default_factory=deque)
    count: int = 0

    def next(self, study: Study, running: Mapping[int, Trial]) -> Trial | None:
        """Return the next trial; None if there is none until another has finished."""
        if self.unfinished:
            return replace(self.unfinished.popleft(), started=time.time())
        if self.count >= study.budget:
            return None
        if not self.count:
            return self._new(dict(self.default), DEFAULT)
        if not study.trials:
            return None  # the defaults first, alone: what they compute, the others find in the cache
        if repeat := next_repeat(study, running.values()):
            return replace(self._new(repeat.config, AGAIN), seed=repeat.seed)
        if study.is_noisy and study.budget - self.count <= AGAIN_RUNS:
            return None  # whatever it found could not run again
        return self._new(self.sampler.ask(), SEARCH)

    def _new(self, config: dict[str, Any], kind: str) -> Trial:
        number, self.count = self.count, self.count + 1
        return Trial(number, config, kind, "", seed=self.seed, started=time.time())


def earlier(study: Study, trial: Trial) -> Trial | None:
    """Return the finished trial with the same params and seed, if there is one."""
    key = config_key(trial.config)
    return next(
        (
            other
            for other in study.trials
            if other.status != REPEATED and other.seed == trial.seed and config_key(other.config) == key
        ),
        None,
    )


def repeated(trial: Trial, first: Trial) -> Trial:
    """Return a trial answered from an earlier one."""
    return replace(
        trial,
        status=REPEATED,
        value=first.value,
        metrics=first.metrics,
        finished=time.time(),
        reason=f"the params of trial {first.number}",
    )
