"""The subject of a trace: a stage, a file, a metric, or the beginning of a hash."""

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

METRICS_SUFFIX = re.compile(r"\.(json|toml|ya?ml)\.")
MAX_LISTED = 12
"""Maximum number of candidates in an error."""


@dataclass(frozen=True)
class Subject:
    """The subject of a trace.

    Parameters
    ----------
    kind : str
        ``stage``, ``file``, ``metric`` or ``version`` (one named by its hash).
    path : str, optional
        The file or folder, relative to the repository.
    version : str, optional
        The requested hash, if the subject was named by one.
    metrics : mapping of str to float
        The requested metrics with their values.
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
    """Find the subject that `name` means.

    Raises
    ------
    WorkflowError
        If the name is unknown or ambiguous; the message lists candidates.
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
    raise WorkflowError(f"'{name}' is not a stage, file, metric or hash of this repository; {hint}")


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
    """Return ``data/train.json:audio.rmse`` as ``data.train.audio.rmse``."""
    file, _, key = metric.partition(":")
    name = PurePosixPath(file).with_suffix("").as_posix().replace("/", ".")
    return f"{name}.{key}" if key else name


def _metrics(name: str, workflow: Workflow, state: State) -> dict[str, float]:
    """Return the metrics of one file that `name` means.

    A metric matches by its key, by the end of file and key, or by parts of them, in this order.
    """
    stages = {out.path: stage.address for stage in workflow.stages.values() for out in stage.outs}
    wanted = METRICS_SUFFIX.sub(".", name.replace(":", ".").replace("/", "."))

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
    best = min((value for value in levels.values() if value is not None), default=None)
    matches = {
        metric: state.metrics[metric]
        for metric, value in levels.items()
        if value is not None and value == best
    }
    if len({metric.partition(":")[0] for metric in matches}) > 1:
        raise WorkflowError(
            f"metric '{name}' is in several files; name one, as FILE:KEY:{_listed(_interleave(matches))}"
        )
    return matches


def _interleave(metrics: Mapping[str, float]) -> list[str]:
    """Return the first metric of each file, then the second of each, and so on."""
    last: dict[str, int] = {}
    ranks = {}
    for metric in metrics:
        file = metric.partition(":")[0]
        ranks[metric] = last[file] = last.get(file, -1) + 1
    return sorted(ranks, key=lambda metric: ranks[metric])


def _version(name: str, workflow: Workflow, state: State, record: RunHistory) -> Subject:
    """Return the recorded version of an output whose hash begins with `name`.

    If there is none, the version is that of a source. If several files have this content, the result
    is the one that is written first.
    """
    order: dict[str, int] = {}
    outputs: set[tuple[str, str]] = {(path, value) for _, path, value in record.versions(name)}
    sources: set[tuple[str, str]] = set()
    for stage in workflow.stages.values():
        order |= {out.path: len(order) for out in stage.outs if out.path not in order}
        observed = state.stages[stage.address]
        for versions, recorded in ((outputs, observed.outs_was), (sources, observed.deps_was)):
            versions |= {
                (path, value) for path, value in recorded.items() if value and value.startswith(name)
            }
    pairs = sorted(outputs or sources)
    if len({value for _, value in pairs}) > 1:
        listed = _listed([f"{value} {path}" for path, value in pairs])
        raise WorkflowError(f"several hashes begin with '{name}'; give more of it:{listed}")
    if not pairs:
        raise WorkflowError(
            f"neither dvc.lock nor MLflow records a file with hash '{name}'; "
            "`statewright plan` lists the stages"
        )
    paths = sorted((path for path, _ in pairs), key=lambda path: order.get(path, len(order)))
    return Subject(name, "version", path=paths[0], version=pairs[0][1], copies=tuple(paths[1:]))


def _listed(names: Mapping[str, float] | list[str]) -> str:
    more = len(names) - MAX_LISTED
    return "".join(f"\n  {name}" for name in list(names)[:MAX_LISTED]) + (
        f"\n  and {more} more" if more > 0 else ""
    )
