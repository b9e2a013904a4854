"""The sources of a study: what its trials depend on beside the searched params.

They are commands, files and other params.
A study compares trials, so these must be equal for all of them: when a worker has copied the checkout, and
when a study resumes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from statewright.repository.sharing import outside
from statewright.session import Session
from statewright.workflow import digest, flatten

SHORT = 16
"""Characters of a digest in the journal."""


def sources_of(session: Session, space: Collection[str]) -> dict[str, str]:
    """Return the sources of the planned stages: description -> digest of the content.

    Parameters
    ----------
    space : collection of str
        Params that the search sets; they are no sources.
    """
    workflow, found = session.workflow, dict[str, Any]()
    made = {
        out.path
        for stage in workflow.stages.values()
        for out in stage.outs
        if stage.plain  # data sources and frozen stages are sources
    }
    for address in session.plan.decisions:
        stage, observed = workflow.stages[address], session.state.stages[address]
        found[f"command of {address}"] = [stage.cmd, stage.wdir]
        beside = outside(session.repository, address)
        deps = observed.deps_now.items()
        found.update({beside.get(path, path): value for path, value in deps if path not in made})
        for (file, key), value in observed.params_now.items():
            if file not in made:
                found.update(_params(file, key, value, space))
    return {name: digest(value)[:SHORT] for name, value in found.items()}


def _params(file: str, key: str, value: Any, space: Collection[str]) -> Mapping[str, Any]:
    return {
        f"{name} in {file}": leaf
        for name, leaf in flatten(value, key)
        if not any(_is_set(entry, file, name) for entry in space)
    }


def _is_set(entry: str, file: str, name: str) -> bool:
    """Return whether an entry of the space sets a params key or a part of it."""
    owner, key = split_name(entry)
    return owner == file and (name == key or name.startswith(f"{key}."))


def split_name(name: str) -> tuple[str, str]:
    """Return file and key of a param named ``key`` or ``file:key``."""
    match = re.fullmatch(r"(?:(.*):)?([^:]*)", name)
    assert match is not None
    return match[1] or "params.yaml", match[2]


def changed_sources(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the sources that differ, sorted."""
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
