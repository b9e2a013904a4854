"""The headline metrics of a pipeline: the few by which its runs are compared.

A stage names its own in ``meta.headline``. The score of a feedback stage is one, too. If no stage names
any, all metrics of the pipeline are, or, of more than `MOST`, those of its last stages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from statewright.workflow import Workflow, overlaps

MOST = 20
"""Maximum number of headline metrics that no stage names."""

Metric = str
"""Name of a metric: ``file:key``."""


def headline(
    workflow: Workflow, addresses: Collection[str], metrics: Mapping[Metric, float]
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
    own = {address: _metrics_of(workflow, address, metrics) for address in addresses}
    declared = [
        metric
        for address, names in own.items()
        for pattern in workflow.stages[address].settings.headline
        for metric in names
        if _matches(pattern, metric)
    ]
    chosen = list(dict.fromkeys(declared)) or _default(workflow, own)
    keys = Counter(short_name(metric) for metric in chosen)
    return {
        short_name(metric) if keys[short_name(metric)] == 1 else metric.rstrip(":"): metrics[metric]
        for metric in chosen
    }


def short_name(metric: Metric) -> str:
    """Return the key of a metric; the stem of a file that holds one number."""
    path, _, key = metric.rpartition(":")
    return key or PurePosixPath(path).stem


def _default(workflow: Workflow, own: Mapping[str, list[Metric]]) -> list[Metric]:
    every = list(dict.fromkeys(metric for names in own.values() for metric in names))
    if len(every) <= MOST:
        return every
    measured = {address for address, names in own.items() if names}
    last = [address for address in measured if not measured & workflow.downstream(address)]
    names = dict.fromkeys(metric for address in own if address in last for metric in own[address])
    # The outer keys of a file summarise it; those below are by class, by year, by seed.
    return sorted(names, key=lambda metric: short_name(metric).count("."))[:MOST]


def _metrics_of(workflow: Workflow, address: str, metrics: Iterable[Metric]) -> list[Metric]:
    outs = [out.path for out in workflow.stages[address].outs]
    return [metric for metric in metrics if any(_is_in(metric.rpartition(":")[0], out) for out in outs)]


def _is_in(path: str, out: str) -> bool:
    return len(out) <= len(path) and overlaps(out, path)


def _matches(pattern: str, metric: Metric) -> bool:
    """Return whether a name or pattern selects a metric.

    ``loss``, ``evaluate.loss``, ``evaluate.json:loss`` and ``rmse.*`` are such names.
    """
    path, _, key = metric.rpartition(":")
    names = (
        metric,
        short_name(metric),
        f"{PurePosixPath(path).name}:{key}",
        f"{PurePosixPath(path).stem}.{key}",
    )
    return any(fnmatchcase(name, pattern) for name in names)
