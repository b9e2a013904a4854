"""The headline metrics of a pipeline: the few by which its runs are compared.

A stage names its own in ``meta.headline``. If no stage names any, all metrics of the pipeline are, or, of
more than `MOST`, those of its last stages, the outer keys of their files first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from statewright.workflow import Workflow

MOST = 20
"""Maximum number of headline metrics that no stage names."""


@dataclass(frozen=True)
class _Metric:
    name: str
    file: str
    key: str

    @property
    def short(self) -> str:
        """The key; the stem of a file that holds one number."""
        return self.key or PurePosixPath(self.file).stem

    def matches(self, pattern: str) -> bool:
        """Return whether a name or pattern selects the metric.

        ``loss``, ``evaluate.loss``, ``evaluate.json:loss`` and ``rmse.*`` are such names.
        """
        file = PurePosixPath(self.file)
        names = (self.name, self.short, f"{file.name}:{self.key}", f"{file.stem}.{self.key}")
        return any(fnmatchcase(name, pattern) for name in names)


def headline(
    workflow: Workflow, addresses: Collection[str], metrics: Mapping[str, float]
) -> dict[str, float]:
    """Return the headline metrics of the stages of a pipeline, in their order.

    Parameters
    ----------
    addresses : collection of str
        The stages.
    metrics : mapping of str to float
        ``file:key`` -> number, of all stages.

    Returns
    -------
    dict of str to float
        Key, or ``file:key`` if several files have the key -> number.
    """
    own = _by_stage(workflow, addresses, metrics)
    declared = [
        metric
        for address, of_stage in own.items()
        for pattern in workflow.stages[address].settings.headline
        for metric in of_stage
        if metric.matches(pattern)
    ]
    chosen = list(dict.fromkeys(declared)) or _default(workflow, own)
    keys = Counter(metric.short for metric in chosen)
    return {
        metric.short if keys[metric.short] == 1 else metric.name.rstrip(":"): metrics[metric.name]
        for metric in chosen
    }


def stage_metrics_named(
    workflow: Workflow, address: str, name: str, metrics: Mapping[str, float]
) -> dict[str, float]:
    """Return the metrics of one stage that a name or pattern selects.

    Parameters
    ----------
    metrics : mapping of str to float
        ``file:key`` -> number, of all stages.
    """
    of_stage = _by_stage(workflow, [address], metrics)[address]
    return {metric.name: metrics[metric.name] for metric in of_stage if metric.matches(name)}


def _by_stage(
    workflow: Workflow, addresses: Collection[str], metrics: Mapping[str, float]
) -> dict[str, list[_Metric]]:
    """Return the metrics of each stage: those in its outputs."""
    owners = {out.path: address for address in addresses for out in workflow.stages[address].outs}
    stage_of: dict[str, str | None] = {}
    own: dict[str, list[_Metric]] = {address: [] for address in addresses}
    for name in metrics:
        file, _, key = name.partition(":")
        if file not in stage_of:
            folders = [file, *(folder.as_posix() for folder in PurePosixPath(file).parents)]
            stage_of[file] = next((owners[path] for path in folders if path in owners), None)
        if (address := stage_of[file]) is not None:
            own[address].append(_Metric(name, file, key))
    return own


def _default(workflow: Workflow, own: Mapping[str, list[_Metric]]) -> list[_Metric]:
    every = [metric for of_stage in own.values() for metric in of_stage]
    if len(every) <= MOST:
        return every
    needed: set[str] = set()  # by a stage with metrics, also indirectly
    for address in reversed(list(workflow.stages)):
        if address in needed or own.get(address):
            needed |= set(workflow.upstream[address])
    last = [address for address, of_stage in own.items() if of_stage and address not in needed]
    # What most stages lead to is the result of the pipeline; inner keys are by class, by year, by seed.
    last.sort(key=lambda address: -len(workflow.ancestors([address])))
    ordered = [metric for a in last for metric in sorted(own[a], key=lambda m: m.key.count("."))]
    return ordered[:MOST]
