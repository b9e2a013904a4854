"""Metrics and plots as DVC finds them, those of the top level included."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from statewright.repository.artifacts import folder_of
from statewright.repository.declaration import Repository
from statewright.workflow import Output, Stage, Workflow, overlaps


def read_metrics(repository: Repository, workflow: Workflow) -> dict[str, float]:
    """Read the numbers of the existing metrics files, as ``dvc metrics show`` does.

    The result maps ``file:key.key`` to a number; the key of a file that holds one number is empty.
    """
    outs = [out for stage in workflow.stages.values() for out in stage.outs]
    metrics: dict[str, float] = {}
    for path in _metric_files(repository, [*outs, *_top_level(repository)]):
        metrics.update((f"{path}:{key}", value) for key, value in _read(repository, path))
    return metrics


def stage_metrics(repository: Repository, stage: Stage) -> dict[str, float]:
    """Read the metrics of one stage by key.

    A key that several files hold, and that of a file that holds one number, names the file as well.

    Parameters
    ----------
    stage : Stage
        The stage with its definitions, see `with_definitions`.
    """
    files = {path: dict(_read(repository, path)) for path in _metric_files(repository, stage.outs)}
    owners = Counter(key for numbers in files.values() for key in numbers)
    metrics: dict[str, float] = {}
    for path, numbers in files.items():
        for key, value in numbers.items():
            name = key or PurePosixPath(path).stem
            metrics[name if owners[key] == 1 else f"{path}:{key}".rstrip(":")] = value
    return metrics


def with_definitions(repository: Repository, stage: Stage) -> Stage:
    """Return a stage whose outputs include metrics and plots of the top level.

    They are files or folders that the stage writes, possibly inside a folder that is its output.
    """
    paths = [out.path for out in stage.outs]
    inside = [
        item
        for item in _top_level(repository)
        if any(overlaps(path, item.path) and len(path) <= len(item.path) for path in paths)
    ]
    return replace(stage, outs=(*stage.outs, *inside)) if inside else stage


def _top_level(repository: Repository) -> Iterator[Output]:
    """Yield the metrics and plots that the top level of a `dvc.yaml` names."""
    index = repository.repo.index
    for file, metrics in index._metrics.items():
        folder = folder_of(repository, file)
        yield from (Output((folder / name).as_posix(), "metric") for name in metrics)
    for file, plots in index._plots.items():
        folder = folder_of(repository, file)
        for item in plots:
            for name, properties in ({item: {}} if isinstance(item, str) else item).items():
                for path, x in _plot_files(name, properties or {}):
                    yield Output((folder / path).as_posix(), "plot", x=x)


def _plot_files(name: str, properties: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Yield path and x column of the files of a plot.

    The name of a plot is its file, unless `y` maps files to columns.
    """
    x, y = properties.get("x"), properties.get("y")
    for path in y if isinstance(y, Mapping) else (name,):
        column = x.get(path) if isinstance(x, Mapping) else x
        yield path, column if isinstance(column, str) else None


def _metric_files(repository: Repository, outs: Iterable[Output]) -> list[str]:
    """Return the existing metrics files; a folder stands for its files."""
    paths: dict[str, None] = {}
    for out in outs:
        if out.role != "metric":
            continue
        path = repository.root / out.path
        if path.is_file():
            paths[out.path] = None
        elif path.is_dir():
            repo = repository.repo
            files = (Path(found) for found in repo.dvcignore.find(repo.fs, str(path)))
            paths |= dict.fromkeys(
                file.relative_to(repository.root).as_posix()
                for file in sorted(files)
                if file.is_relative_to(repository.root)
            )
    return list(paths)


def _read(repository: Repository, path: str) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a metrics file.

    A file that a killed command left incomplete has none; its stage will run again.
    """
    with suppress(Exception):  # DVC's readers raise errors of their YAML and TOML libraries, and reports none
        yield from _numbers("", _load(repository, repository.root / path))


def _load(repository: Repository, path: Path) -> Any:
    if path.suffix.lower() == ".json":  # most metrics: without the import of DVC's readers
        return json.loads(path.read_text(encoding="utf-8"))
    from dvc.utils.serialize import load_path

    return load_path(str(path), repository.repo.fs)


def _numbers(prefix: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(f"{prefix}.{key}" if prefix else str(key), item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            yield prefix, float(value)
