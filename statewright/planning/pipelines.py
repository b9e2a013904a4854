"""The pipelines of a repository: a partition of its stages by their names.

::

    dvc.yaml         clean, train                     one pipeline: that of the repository
    dvc.yaml         songs-fit, songs-report,         two pipelines, if none needs the other
                     films-fit, films-report, code    (`code` belongs to the pipeline that it serves)
    speech/dvc.yaml  clean, train                     the pipeline `speech`, if it stands alone

A group is the stages of one `dvc.yaml`, or in it those with one prefix before a hyphen. It is a
pipeline of its own if no stage of it needs a stage of another group, or is needed by one. So the
stages ``prepare-data`` and ``train-model`` of one chain stay together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from statewright.workflow import Stage, Workflow

REPOSITORY = ""
"""Name of the pipeline of the stages in no group."""


def pipelines(workflow: Workflow) -> dict[str, str]:
    """Return address -> name of the pipeline: ``songs``, ``speech/fit``.

    The stages of the repository's own pipeline have the name `REPOSITORY`.
    """
    stages = {address: stage for address, stage in workflow.stages.items() if stage.cmd}
    folders = {address: _folder(address) for address in stages}
    prefixes = {address: name for address, stage in stages.items() if (name := _prefixed(stage))}
    sizes = Counter(prefixes.values())
    prefixes = {address: name for address, name in prefixes.items() if sizes[name] > 1}
    alone = _separate(workflow, prefixes)
    apart = {name for name in alone if sum(_above(other) == _above(name) for other in alone) > 1}
    separate = _separate(workflow, folders)
    names = {}
    for address in workflow.stages:
        prefix, folder = prefixes.get(address), folders.get(address)
        names[address] = (
            prefix if prefix in apart else folder if folder in separate and folder else REPOSITORY
        )
    return names


def parts(workflow: Workflow, addresses: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Divide the stages of a run by pipeline.

    A stage of no group belongs to the first pipeline of the run that needs it.

    Parameters
    ----------
    addresses : iterable of str
        Stages with work, in an order in which they can run.

    Returns
    -------
    dict of str to tuple of str
        Name of the pipeline -> its stages, in the given order.
    """
    addresses = list(addresses)
    names = pipelines(workflow)
    owner = {address: names[address] for address in addresses if names[address] != REPOSITORY}
    for address in reversed(addresses):  # the first pipeline is the last that overwrites
        name = owner.get(address)
        if name is not None:
            for up in workflow.upstream[address]:
                if up in names and names[up] == REPOSITORY:
                    owner[up] = name
    divided: dict[str, tuple[str, ...]] = {}
    for address in addresses:
        name = owner.get(address, REPOSITORY)
        divided[name] = (*divided.get(name, ()), address)
    return divided


def _folder(address: str) -> str:
    """Return the folder of the stage's `dvc.yaml`; empty for the root."""
    return address.rpartition(":")[0].rpartition("/")[0]


def _prefixed(stage: Stage) -> str | None:
    """Return the group of a stage by its prefix, or None without a hyphen."""
    prefix, hyphen, _ = stage.group.rpartition(":")[2].partition("-")
    return "/".join(filter(None, (_folder(stage.address), prefix))) if hyphen and prefix else None


def _above(name: str) -> str:
    return name.rpartition("/")[0]


def _separate(workflow: Workflow, groups: Mapping[str, str]) -> set[str]:
    """Return the groups that need no other group, and that none needs."""
    needed: dict[str, set[str]] = {}
    joined: set[str] = set()
    for address in workflow.stages:
        before = set().union(*(needed.get(up, set()) for up in workflow.upstream[address]))
        own = groups.get(address)
        if own is not None:
            if others := before - {own}:
                joined |= {own, *others}
            before.add(own)
        needed[address] = before
    return set(groups.values()) - joined
