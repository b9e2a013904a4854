"""The params of a trace, the most relevant first.

Params of the stage that wrote the subject come first, then those of the stages before it, nearest
first. Within a stage, a param that has another value now comes first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from statewright.lineage.walk import Step, walk
from statewright.masking import mask_value
from statewright.parameters import DEFAULT_FILE
from statewright.workflow import Workflow, flatten

MAX_PARAMS = 20
"""Maximum number of params that a trace shows."""

MAX_CHARACTERS = 60
"""Maximum length of a value that a trace shows."""


@dataclass(frozen=True)
class TracedParam:
    """A param of a step in a history.

    Parameters
    ----------
    value : object
        Value that the step used.
    now : object
        Current value if it is another one, else None.
    """

    stage: str
    key: str
    value: Any
    now: Any = None

    @property
    def text(self) -> str:
        """Last part of the key, the value, and another current value; cut if long."""
        value, now = mask_value(self.key, self.value), mask_value(self.key, self.now)
        changed = f" (now {_cut(now)})" if self.now is not None else ""
        return f"{self.key.rpartition('.')[2]} = {_cut(value)}{changed}"


def _cut(value: Any) -> str:
    text = str(value)
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 3]}..."


def current_params(workflow: Workflow) -> dict[str, Any]:
    """Return the current leaves of all params files, with keys as in `Step.params`."""
    values: dict[str, Any] = {}
    for file, keys in workflow.params.items():
        prefix = "" if file == DEFAULT_FILE else f"{file}:"
        for key, value in keys.items():
            values |= {f"{prefix}{dotted}": leaf for dotted, leaf in flatten(value, key)}
    return values


def relevant_params(steps: Sequence[Step], current: Mapping[str, Any]) -> list[TracedParam]:
    """Return the params of all steps, the most relevant first and each value once."""
    params: dict[tuple[str, str], TracedParam] = {}
    for step in walk(steps):
        own = [TracedParam(step.stage, k, v, _other(current.get(k), v)) for k, v in step.params.items()]
        for param in sorted(own, key=lambda param: param.now is None):
            params.setdefault((param.key, str(param.value)), param)
    return list(params.values())


def _other(now: Any, was: Any) -> Any:
    """Return the current value if it differs; MLflow keeps values as text."""
    return now if now is not None and str(now) != str(was) else None


def grouped(params: Sequence[TracedParam]) -> list[tuple[str, str]]:
    """Return (stage, text) for the params of a stage with the same group of keys."""
    groups: dict[tuple[str, str], list[str]] = {}
    for param in params:
        groups.setdefault((param.stage, param.key.rpartition(".")[0]), []).append(param.text)
    return [(s, f"{g}: {', '.join(items)}" if g else ", ".join(items)) for (s, g), items in groups.items()]
