"""Why a stage will run: reasons as values, each with its sentence, and how they are found."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from statewright.planning.inputs import Inputs
from statewright.state import Observed, ParamKey
from statewright.workflow import Stage

ABSENT = "(absent)"


@dataclass(frozen=True)
class Reason:
    """One cause. `kind` is one of the keys of `SENTENCES`; `subject` is a file, key or stage."""

    kind: str
    subject: str
    was: Any = None
    now: Any = None

    @property
    def text(self) -> str:
        """The reason as a sentence."""
        if self.kind == "param" and self.was is None and self.now is None:
            return f"{self.subject} is not in its params file"
        # A fingerprint names a definition `folder/module:name`.
        subject = self.subject.replace(":", ".py:", 1) if self.kind == "code" else self.subject
        return SENTENCES[self.kind].format(subject=subject, was=show(self.was), now=show(self.now))


SENTENCES: Mapping[str, str] = {
    "new": "{subject} has not run yet",
    "command": "command changed: was `{was}`, is `{now}`",
    "dependency": "{subject} changed: was {was}, is {now}",
    "missing dependency": "{subject} does not exist and no stage will make it",
    "param": "{subject} {was} -> {now}",
    "code": "{subject} changed",
    "remote": "{subject} is remote, and is looked at when its turn comes",
    "passing dependency": "{subject} is {now} for now (recorded: {was}) and will be made again",
    "passing param": "{subject} is {now} for now (recorded: {was}) and will be made again",
    "output": "output {subject} is {now}",
    "upstream": "after {subject}",
    "always": "{subject} is declared to run always",
    "forced": "{subject} was asked for with --force",
}


def show(value: Any) -> str:
    """A value as it stands in a sentence: hashes and long texts cut short."""
    if value is None:
        return ABSENT
    text = str(value)
    if len(text.removesuffix(".dir")) in (32, 64) and all(
        c in "0123456789abcdef" for c in text.removesuffix(".dir")
    ):
        return text[:4]
    return text if len(text) <= 60 else text[:57] + "..."


def for_json(value: Any) -> Any:
    """A params value as JSON can hold it: what it has no word for (dates, NaN, infinity) as text."""
    if isinstance(value, Mapping):
        return {str(key): for_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [for_json(item) for item in value]
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def plain(value: Any) -> Any:
    """A params value that is null as text, since None stands for one that is not there."""
    return "null" if value is None else value


def differences(key: str, was: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield ``(key, was, now)`` for each leaf in which two params values differ; None is absence."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for part in [*was, *(part for part in now if part not in was)]:
            if part in was and part in now:
                yield from differences(f"{key}.{part}", plain(was[part]), plain(now[part]))
            else:
                before, after = (plain(values[part]) if part in values else None for values in (was, now))
                yield f"{key}.{part}", before, after
    elif was != now and not (isinstance(now, tuple) and list(now) == was):
        yield key, was, now


def own_reasons(stage: Stage, seen: Observed, inputs: Inputs, code_files: Collection[str]) -> list[Reason]:
    """Why a stage of its own accord is not up to date, given its inputs as they will be."""
    outs = [
        Reason("output", path, None, status if status != "deleted" else "missing")
        for path, status in seen.outs.items()
        if status != "ok"
    ]
    missing = [
        Reason("missing dependency", path)
        for path, now in inputs.deps.items()
        if now is None and not stage.frozen
    ]
    missing += [
        Reason("missing dependency", file)
        for file in inputs.files
        if file in seen.params_gone and file not in code_files and file not in inputs.deps
    ]
    if not seen.recorded:
        # A frozen stage is looked at by its outputs only: without any it is never found changed.
        return [Reason("new", stage.address), *missing] if outs or not stage.frozen else []
    reasons = list(missing)
    if stage.always_changed and not stage.frozen:
        reasons.append(Reason("always", stage.address))
    if seen.cmd_was != stage.cmd or seen.cmd_changed:
        reasons.append(
            Reason("command", stage.address, " && ".join(seen.cmd_was or ()), " && ".join(stage.cmd))
        )
    if not stage.frozen:
        reasons += [
            Reason("dependency", path, seen.deps_was.get(path), now)
            for path, now in inputs.deps.items()
            if now is not None and now != seen.deps_was.get(path)
        ]
        reasons += _param_reasons(stage, seen, inputs, code_files)
    return reasons + outs


def _param_reasons(stage: Stage, seen: Observed, inputs: Inputs, code_files: Collection[str]) -> list[Reason]:
    reasons = []
    for file, key in _compared(stage, seen, inputs):
        was, now = seen.params_was.get((file, key)), inputs.params.get((file, key))
        if (file, key) in inputs.params and (file, key) in seen.params_was and _same(was, now):
            continue
        if file in code_files:
            reasons += [Reason("code", name) for name in _changed_code(was, now)]
        else:
            changes = list(differences(key, was, now)) or [(key, plain(was), plain(now))]
            reasons += [Reason("param", *change) for change in changes]
    return reasons


def _compared(stage: Stage, seen: Observed, inputs: Inputs) -> list[ParamKey]:
    """The params that count: declared, there or recorded, in files of which is known what they hold."""
    declared = [(file, key) for file, keys in stage.params.items() for key in keys]
    return [
        pair
        for pair in dict.fromkeys([*declared, *inputs.params, *seen.params_was])
        if pair[0] in inputs.files
    ]


def _same(was: Any, now: Any) -> bool:
    """As DVC compares: a tuple from a Python file is recorded as a list, on the top level only."""
    return was == now or (isinstance(now, tuple) and list(now) == was)


def _changed_code(was: Any, now: Any) -> list[str]:
    """Names of the functions whose hash differs; fingerprints map a function to a hash."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        return [name for name in {**was, **now} if was.get(name) != now.get(name)]
    return [] if was == now else ["code"]


def passing_reasons(
    stage: Stage, seen: Observed, own: Collection[Reason], code_files: Collection[str]
) -> list[Reason]:
    """What ``dvc status`` says of inputs that earlier stages will make again: so it is, for now."""
    if stage.frozen or not seen.recorded:
        return []
    now = Inputs(seen.deps_now, seen.params_now, tuple(stage.params))
    kinds = {
        "dependency": "dependency",
        "missing dependency": "dependency",
        "param": "param",
        "code": "param",
    }
    named = {reason.subject for reason in own}
    return [
        Reason(f"passing {kinds[r.kind]}", r.subject, r.was or seen.deps_was.get(r.subject), r.now)
        for r in own_reasons(stage, seen, now, code_files)
        if r.kind in kinds and r.subject not in named
    ]
