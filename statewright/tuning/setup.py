"""Prepare a study: check everything that a trial needs, before the first one."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from statewright import parameters
from statewright.git import git
from statewright.planning.metric_names import find_metric
from statewright.session import Session, open_session
from statewright.terminal.words import counted, joined
from statewright.tuning.metric import assumed_direction, refuse_holdouts, resolve_metric
from statewright.tuning.proposals import SAMPLERS, open_sampler
from statewright.tuning.sources import changed_sources, sources_of, split_name
from statewright.tuning.space_checks import check_params, value_at
from statewright.tuning.space_file import defaults, read_space
from statewright.tuning.study import DEFAULT, Study, read_study, study_names
from statewright.workflow import WorkflowError

if TYPE_CHECKING:
    from statewright.search.sampler import Sampler

DEFAULT_BUDGET, DEFAULT_SAMPLER, DEFAULT_SEED = 50, "hybrid", 0


@dataclass(frozen=True)
class Search:
    """A search as the user asks for it; None where an option is not given.

    Parameters
    ----------
    space : Path or None
        Absolute path of the space file.
    resume : bool
        Whether to continue the study; its journal has what is not given.
    apply : bool
        Whether to write the best params at the end.
    """

    target: str | None = None
    metric: str | None = None
    space: Path | None = None
    direction: str | None = None
    sampler: str | None = None
    budget: int | None = None
    workers: int = 1
    seed: int | None = None
    seed_param: str | None = None
    patience: int | None = None
    stop_at: float | None = None
    name: str | None = None
    resume: bool = False
    apply: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Prepared:
    """A study that can start.

    Parameters
    ----------
    default : dict
        Params as they stand.
    seed : int or None
        Value of the seed param as it stands.
    is_new : bool
        Whether the study has no journal yet.
    """

    study: Study
    session: Session
    sampler: Sampler
    default: Mapping[str, Any]
    seed: int | None
    is_new: bool


def study_name(root: Path, search: Search) -> str:
    """Return the name of a study: given, that of the target, or the only one.

    Raises
    ------
    WorkflowError
        If no option tells which study, or the name cannot be that of a file.
    """
    if search.name:
        if not re.fullmatch(r"[\w][\w.@-]*", search.name):
            raise WorkflowError(f"--name {search.name}: expected letters, digits, '_', '-' and '.'")
        return search.name
    if search.target:
        return re.sub(r"[^\w.@-]+", "-", search.target).strip("-.") or "study"
    names = study_names(root)
    if len(names) != 1:
        there = (
            f"there are {joined(names)}" if names else "there is none; `statewright tune --help` shows how"
        )
        raise WorkflowError(f"--resume: expected --name NAME of a study; {there}")
    return names[0]


def prepare(directory: Path, root: Path, search: Search, console: Console) -> Prepared:
    """Return the study of a search, new or from its journal.

    Raises
    ------
    WorkflowError
        If an option, the space, the metric or the repository does not allow a trial.
    """
    name = study_name(root, search)
    if search.resume:
        return _resumed(root, read_study(root, name), search)
    if name in study_names(root) and (study := read_study(root, name)).candidates:
        raise WorkflowError(
            f"study '{name}' exists, with {counted(len(study.trials), 'trial')}: `statewright tune --name "
            f"{name} --resume` continues it, `--name OTHER` starts another"
        )
    prepared = _new(directory, root, replace(search, name=name), console)
    if search.seed_param is None:
        _say(
            console, "each value is that of a single run; --seed-param KEY repeats the best with other seeds"
        )
    _say_dirty(root, search.space, console)
    return prepared


def _new(directory: Path, root: Path, search: Search, console: Console) -> Prepared:
    if not (search.target and search.metric and search.space):
        raise WorkflowError(
            "expected TARGET, --metric and --space, as in "
            "`statewright tune train --metric loss --space space.yaml`"
        )
    _check_sampler(search.sampler or DEFAULT_SAMPLER)
    shown = os.path.relpath(search.space, directory)
    file = read_space(search.space, search.space if shown.startswith("..") else Path(shown))
    session = open_session(directory, [search.target])
    stages = list(session.plan.decisions)
    current = check_params(file, root, session.workflow, stages)
    metric = resolve_metric(session, search.metric)
    direction = search.direction or _direction(metric, console)
    seed = _seed_value(root, search.seed_param, file.space)
    controlled = [*file.space, *([search.seed_param] if search.seed_param else [])]
    study = Study(
        name=search.name or "",
        target=session.targets[0] if len(session.targets) == 1 else search.target,
        metric=metric,
        direction=direction,
        space=file.space,
        sampler=search.sampler or DEFAULT_SAMPLER,
        budget=search.budget or DEFAULT_BUDGET,
        seed=DEFAULT_SEED if search.seed is None else search.seed,
        seed_param=search.seed_param,
        patience=search.patience,
        stop_at=search.stop_at,
        sources=sources_of(session, controlled),
    )
    return Prepared(study, session, open_sampler(study), defaults(file.space, current), seed, True)


def _resumed(root: Path, study: Study, search: Search) -> Prepared:
    """Return a study from its journal, with the new limits.

    Raises
    ------
    WorkflowError
        If an option contradicts the journal, or the repository is not the one of the earlier trials.
    """
    for option, value in (
        ("sampler", search.sampler),
        ("direction", search.direction),
        ("seed", search.seed),
    ):
        _require_same(study, option, value, getattr(study, option))
    if search.metric and find_metric(search.metric, [study.metric], "--metric") is None:
        _require_same(study, "metric", search.metric, study.metric)
    if search.seed_param:
        _require_same(study, "seed-param", search.seed_param, study.seed_param)
    if search.space and read_space(search.space, search.space).space != study.space:
        raise WorkflowError(
            f"--space {search.space}: study '{study.name}' searches another space; leave the option out, or "
            "start another study with --name OTHER"
        )
    session = open_session(root, [study.target])
    refuse_holdouts(session, study.metric.rpartition(":")[0])
    controlled = [*study.space, *([study.seed_param] if study.seed_param else [])]
    current = {name: value_at(root / split_name(name)[0], split_name(name)[1]) for name in controlled}
    if changed := changed_sources(study.sources, sources_of(session, controlled)):
        raise WorkflowError(
            f"study '{study.name}' cannot resume: {joined(changed[:4])} changed since its trials ran, which "
            "would not compare with new ones; `--name OTHER` starts another study"
        )
    first = next((trial for trial in study.trials if trial.kind == DEFAULT), None)
    seed = current.pop(study.seed_param) if study.seed_param else None
    limits = {
        name: value
        for name in ("budget", "patience", "stop_at")
        if (value := getattr(search, name)) is not None
    }
    default = first.config if first else defaults(study.space, current)
    study = replace(study, **limits)
    return Prepared(study, session, open_sampler(study), default, first.seed if first else seed, False)


def _require_same(study: Study, option: str, given: Any, recorded: Any) -> None:
    if given is not None and given != recorded:
        raise WorkflowError(
            f"--{option} {given}: study '{study.name}' has {recorded}; leave the option out, or start "
            "another study with --name OTHER"
        )


def _check_sampler(name: str) -> None:
    if name not in SAMPLERS:
        close = difflib.get_close_matches(name, SAMPLERS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"expected one of {', '.join(SAMPLERS)}"
        raise WorkflowError(f"--sampler {name}: not a sampler; {hint}")


def _direction(metric: str, console: Console) -> str:
    direction = assumed_direction(metric)
    if direction is None:
        raise WorkflowError(
            f"--metric {metric}: its name does not tell whether less or more is better; add --direction min "
            "or --direction max"
        )
    better = "less" if direction == "min" else "more"
    _say(console, f"assumed from its name: {better} of {metric} is better (--direction changes it)")
    return direction


def _seed_value(root: Path, name: str | None, space: Mapping[str, Any]) -> int | None:
    """Return the value of the seed param.

    Raises
    ------
    WorkflowError
        If it does not exist, is not a whole number, or is searched.
    """
    if name is None:
        return None
    if name in space:
        raise WorkflowError(f"--seed-param {name}: the space searches it; remove it from the space")
    owner, key = split_name(name)
    try:
        parameters.preview(root / owner, [(key, None)])
    except WorkflowError as error:
        raise WorkflowError(f"--seed-param {name}: {error}") from error
    value = value_at(root / owner, key)
    if type(value) is not int:
        raise WorkflowError(f"--seed-param {name}: it is {value!r} in {owner}; expected a whole number")
    return value


def _say_dirty(root: Path, space: Path | None, console: Console) -> None:
    status = git(root, "-c", "core.quotePath=false", "status", "--porcelain", "--", ".")
    names = [name for line in status.splitlines() if root / (name := line[3:]) != space]
    if names:
        shown = joined(names[:3]) if len(names) <= 3 else f"{', '.join(names[:3])} and {len(names) - 3} more"
        _say(console, f"uncommitted changes are part of every trial: {shown}")


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
