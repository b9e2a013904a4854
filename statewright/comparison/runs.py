"""The difference of two recorded runs: stages, params, metrics, outputs.

A run counts with the results that the repository had after it: of each stage, the latest record until
then. A stage that was up to date has no record in a run, so that of an earlier run stands for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from statewright.comparison.difference import OutputChange, RevisionDifference, StageChange
from statewright.planning.reasons import Reason
from statewright.record.runs import PastRun
from statewright.record.transitions.model import Transition, TransitionStore, Values

OF_THE_ENGINE = ("seconds", "ram_gb", "cpu_seconds")
"""Metrics of a stage that the engine measures; they differ in each run."""

_FINGERPRINT = re.compile(r"[0-9a-f]{8,64}|\*\*\*")
_DEFINITION = re.compile(r"[^\s:]*:[^\s:/]+")

Sizes = Callable[[str], "int | None"]
"""Map the hash of an output to its bytes, if they are known."""


@dataclass(frozen=True)
class Results:
    """Results of a repository at one time: of each stage, the latest record."""

    name: str
    records: Mapping[str, PastRun]
    commit: str | None = None


def before(store: TransitionStore, run: Transition) -> Results:
    """Return the results that a run found."""
    return Results("before", store.results(run.started - 0.001))


def after(store: TransitionStore, run: Transition) -> Results:
    """Return the results that a run left."""
    return Results(run.id, store.results(run.until), run.run.commit)


def after_failures(results: Results, run: Transition) -> Results:
    """Return the results of a run with the params of stages that failed.

    The outputs of a failed stage are not recorded, so those before it count.
    """
    records = dict(results.records)
    for stage in run.stages:
        if stage.status == "failed":
            was = records.get(stage.stage)
            outputs = was.outputs if was else {}
            tags = {f"output:{path}": version for path, version in outputs.items() if version}
            records[stage.stage] = replace(stage, tags={**stage.tags, **tags})
    return replace(results, records=records)


def compare_results(store: TransitionStore, old: Results, new: Results, sizes: Sizes) -> RevisionDifference:
    """Return everything that differs between two results.

    Parameters
    ----------
    sizes : callable
        Map the hash of an output to its bytes, if they are known.
    """
    ids = {run.run_id for results in (old, new) for run in results.records.values()}
    same = {a for a, run in old.records.items() if a in new.records and new.records[a].run_id == run.run_id}
    kept = {old.records[address].run_id for address in same}
    values = store.values(ids - kept)
    stages: list[StageChange] = []
    params: dict[str, Any] = {}
    metrics: dict[str, dict[str, Any]] = {}
    ran = sorted(new.records, key=lambda address: new.records[address].started or 0.0)
    for address in dict.fromkeys([*ran, *old.records]):
        if address in same:
            continue
        was, now = old.records.get(address), new.records.get(address)
        before, after = (_values(values, run) for run in (was, now))
        changed = _changes(_without_code(address, before.params), _without_code(address, after.params))
        code = _changes(_code(address, before.params), _code(address, after.params))
        params |= {key: _with_difference(change) for key, change in changed.items()}
        if numbers := _changes(_own(before.metrics), _own(after.metrics)):
            metrics[address] = {key: _with_difference(change) for key, change in numbers.items()}
        outputs = tuple(_outputs(was, now, sizes))
        recorded = _reasons(was, now, changed, code) if was and now else []
        status = "removed" if now is None else "added" if was is None else "changed"
        if recorded or outputs or status != "changed":
            stages.append(StageChange(address, status, recorded=tuple(recorded), outputs=outputs))
    return RevisionDifference(
        old.name,
        new.name,
        (old.commit, new.commit),
        tuple(stages),
        {"": dict(sorted(params.items()))} if params else {},
        metrics,
        sizes=(_total(old, sizes), _total(new, sizes)),
        unchanged=len({*old.records, *new.records} - {stage.address for stage in stages}),
    )


def _values(values: Mapping[str, Values], run: PastRun | None) -> Values:
    return values[run.run_id] if run else Values()


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the values that differ; one that is absent is None."""
    return {
        key: {"old": old.get(key), "new": new.get(key)}
        for key in dict.fromkeys([*old, *new])
        if old.get(key) != new.get(key)
    }


def _with_difference(change: Mapping[str, Any]) -> dict[str, Any]:
    """Add the difference of two numbers; MLflow keeps params as text."""
    try:
        return {**change, "diff": float(change["new"]) - float(change["old"])}
    except (TypeError, ValueError):
        return dict(change)


def _own(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name not in OF_THE_ENGINE}


def _code(address: str, params: Mapping[str, str]) -> dict[str, str]:
    """Return the fingerprints of code among the params of a stage, by definition.

    They are recorded as ``STAGE.folder/module:name``.
    """
    prefix = f"{address.partition('@')[0]}."
    return {
        key.removeprefix(prefix): value
        for key, value in params.items()
        if _DEFINITION.fullmatch(key.removeprefix(prefix)) and _FINGERPRINT.fullmatch(value)
    }


def _without_code(address: str, params: Mapping[str, str]) -> dict[str, str]:
    prefix = f"{address.partition('@')[0]}."
    code = _code(address, params)
    return {key: value for key, value in params.items() if key.removeprefix(prefix) not in code}


def _reasons(
    was: PastRun, now: PastRun, params: Mapping[str, Mapping[str, Any]], code: Mapping[str, Any]
) -> list[Reason]:
    """Return the differences of the inputs of a stage."""
    commands = [run.tags.get("statewright.stage.command", "") for run in (was, now)]
    reasons = [Reason("command", now.stage, *commands)] if commands[0] != commands[1] else []
    reasons += [
        Reason("dependency", path, change["old"], change["new"])
        for path, change in _changes(was.inputs, now.inputs).items()
    ]
    reasons += [Reason("param", key, change["old"], change["new"]) for key, change in params.items()]
    return reasons + [Reason("code", definition) for definition in code]


def _outputs(was: PastRun | None, now: PastRun | None, sizes: Sizes) -> list[OutputChange]:
    old, new = (run.outputs if run else {} for run in (was, now))
    return [
        OutputChange(
            path, change["old"], change["new"], _size(change["old"], sizes), _size(change["new"], sizes)
        )
        for path, change in _changes(old, new).items()
    ]


def _size(version: str | None, sizes: Sizes) -> int | None:
    return sizes(version) if version else None


def _total(results: Results, sizes: Sizes) -> int:
    return sum(
        sizes(version) or 0 for run in results.records.values() for version in run.outputs.values() if version
    )
