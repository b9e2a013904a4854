"""What a word on the command line means: a stage, a file, a metric, or the beginning of a hash."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from statewright.record.runs import RunHistory
from statewright.state import State
from statewright.workflow import Workflow, WorkflowError, overlaps

MOST_LISTED = 12
"""How many candidates an error lists."""


@dataclass(frozen=True)
class Subject:
    """What is to be traced.

    Parameters
    ----------
    kind : str
        ``stage``, ``file``, ``metric`` or ``version`` (one named by its hash).
    path : str, optional
        The file or folder, relative to the repository.
    version : str, optional
        The hash that was asked for, where it was.
    metrics : mapping of str to float
        The figures that were asked for.
    copies : tuple of str
        Other files that were recorded with the same content.
    """

    name: str
    kind: str
    stage: str | None = None
    path: str | None = None
    version: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    copies: tuple[str, ...] = ()


def resolve(
    name: str, here: Path, root: Path, workflow: Workflow, state: State, record: RunHistory
) -> Subject:
    """Find what `name` means.

    Raises
    ------
    WorkflowError
        If it means nothing, or several things: then it lists them.
    """
    if name in workflow.stages:
        return Subject(name, "stage", stage=name)
    for path in dict.fromkeys((_relative(here / name, root), _relative(root / name, root), name)):
        if _is_known(path, root, workflow):
            return Subject(name, "file", path=path)
    if metrics := _metrics(name, workflow, state):
        file = next(iter(metrics)).partition(":")[0]
        return Subject(name, "metric", path=file, metrics=metrics)
    if re.fullmatch(r"[0-9a-f]{6,32}(\.dir)?", name):
        return _version(name, workflow, state, record)
    known = [*workflow.stages, *_paths(workflow), *(dotted(metric) for metric in state.metrics)]
    close = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "`statewright plan` lists the stages"
    raise WorkflowError(f"'{name}' is no stage, file, metric or hash known here; {hint}")


def _relative(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()


def _paths(workflow: Workflow) -> Iterator[str]:
    for stage in workflow.stages.values():
        yield from stage.deps
        yield from stage.params
        yield from (out.path for out in stage.outs)


def _is_known(path: str, root: Path, workflow: Workflow) -> bool:
    if path.startswith("../") or Path(path).is_absolute():
        return path in _paths(workflow)
    return (root / path).exists() or any(overlaps(path, other) for other in _paths(workflow))


def dotted(metric: str) -> str:
    """``data/train.json:audio.rmse`` as ``data.train.audio.rmse``."""
    file, _, key = metric.partition(":")
    return f"{PurePosixPath(file).with_suffix('').as_posix().replace('/', '.')}.{key}"


def _metrics(name: str, workflow: Workflow, state: State) -> dict[str, float]:
    """The metrics of one file that `name` means: by key, by the end of file and key, or by parts of them."""
    stages = {out.path: stage.address for stage in workflow.stages.values() for out in stage.outs}
    wanted = name.replace(":", ".").replace("/", ".").replace(".json.", ".")

    def level(metric: str) -> int | None:
        file, _, key = metric.partition(":")
        whole = f".{dotted(metric)}."
        if wanted == key or name == metric:
            return 0
        if whole.endswith(f".{wanted}.") or wanted == f"{stages.get(file)}.{key}":
            return 1
        if f".{wanted}." in whole or f"{stages.get(file)}.{key}".startswith(f"{wanted}."):
            return 2
        parts = iter(whole.split("."))
        return 3 if all(part in parts for part in wanted.split(".")) else None

    levels = {metric: level(metric) for metric in state.metrics}
    best = min((found for found in levels.values() if found is not None), default=None)
    found = {metric: state.metrics[metric] for metric, at in levels.items() if at is not None and at == best}
    if len({metric.partition(":")[0] for metric in found}) > 1:
        raise WorkflowError(
            f"metric '{name}' is in several files; name one, as FILE:KEY:{_listed(_spread(found))}"
        )
    return found


def _spread(metrics: Mapping[str, float]) -> list[str]:
    """Metrics in an order in which every file comes early: the first of each, the second of each, ..."""
    seen: dict[str, int] = {}
    places = {}
    for metric in metrics:
        file = metric.partition(":")[0]
        places[metric] = seen[file] = seen.get(file, -1) + 1
    return sorted(places, key=lambda metric: places[metric])


def _version(name: str, workflow: Workflow, state: State, record: RunHistory) -> Subject:
    """The recorded version of an output, or else of a source, whose hash begins so.

    Of several files with that content the one that was made first is meant.
    """
    order: dict[str, int] = {}
    found: set[tuple[str, str]] = {(path, value) for _, path, value in record.versions(name)}
    sources: set[tuple[str, str]] = set()
    for stage in workflow.stages.values():
        order |= {out.path: len(order) for out in stage.outs if out.path not in order}
        seen = state.stages[stage.address]
        found |= {(path, value) for path, value in seen.outs_was.items() if value and value.startswith(name)}
        sources |= {
            (path, value) for path, value in seen.deps_was.items() if value and value.startswith(name)
        }
    pairs = sorted(found or sources)
    if len({value for _, value in pairs}) > 1:
        listed = _listed([f"{value} {path}" for path, value in pairs])
        raise WorkflowError(f"several hashes begin with '{name}'; give more of it:{listed}")
    if not pairs:
        raise WorkflowError(f"no file of hash '{name}' is recorded, in dvc.lock or in MLflow")
    paths = sorted((path for path, _ in pairs), key=lambda path: order.get(path, len(order)))
    return Subject(name, "version", path=paths[0], version=pairs[0][1], copies=tuple(paths[1:]))


def _listed(names: Mapping[str, float] | list[str]) -> str:
    more = len(names) - MOST_LISTED
    return "".join(f"\n  {name}" for name in list(names)[:MOST_LISTED]) + (
        f"\n  and {more} more" if more > 0 else ""
    )
