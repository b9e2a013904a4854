"""Reasons to run a stage: values that each have a sentence, and their detection."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from statewright.masking import mask_command, mask_text, mask_value
from statewright.planning.inputs import Inputs
from statewright.state import ParamKey, StageState
from statewright.workflow import Stage

ABSENT = "(absent)"


@dataclass(frozen=True)
class Reason:
    """Reason to run a stage.

    Parameters
    ----------
    kind : str
        One of the keys of `SENTENCES`.
    subject : str
        A file, a params key or a stage.
    was, now : object
        Recorded and current value; None if there is none. They may hold secrets: print `text` and
        `masked` only.
    file : str, optional
        The params file of a params key.
    """

    kind: str
    subject: str
    was: Any = None
    now: Any = None
    file: str | None = field(default=None, compare=False)

    @property
    def text(self) -> str:
        """Sentence that a person reads, with the commands of a changed command."""
        return self._say(SENTENCES[self.kind])

    @property
    def brief(self) -> str:
        """The sentence in the few words of a plan."""
        return self._say(BRIEF.get(self.kind, SENTENCES[self.kind]))

    def _say(self, sentence: str) -> str:
        if self.kind == "param" and (self.was is None or self.now is None):
            sentence = _PARAM[self.was is None, self.now is None]
        if self.kind == "dependency" and self.was is None:
            sentence = "{subject} is a new dependency"
        # Fingerprints name a definition `folder/module:name`; show the name of the file.
        subject = self.subject.replace(":", ".py:", 1) if self.kind == "code" else self.subject
        if self.file and self.kind in ("param", "passing param"):
            subject = f"{self.file}: {subject}"
        was, now = self.masked
        now = _STATUSES.get(str(now), show(now)) if self.kind == "output" else show(now)
        return mask_text(sentence.format(subject=subject, was=show(was), now=now))

    @property
    def masked(self) -> tuple[Any, Any]:
        """Recorded and current value without secrets."""
        if self.kind == "command":
            return mask_command(self.was or ""), mask_command(self.now or "")
        return mask_value(self.subject, self.was), mask_value(self.subject, self.now)


_PARAM: Mapping[tuple[bool, bool], str] = {
    (True, True): "{subject} is not in its params file",
    (True, False): "{subject} is new: {now}",
    (False, True): "{subject} was removed",
}

_STATUSES: Mapping[str, str] = {
    "modified": "was changed",
    "new": "is not recorded",
    "not in cache": "is not in the cache",
    "missing": "is missing",
}
"""Words for DVC's status of an output."""

SENTENCES: Mapping[str, str] = {
    "new": "never run here",
    "command": "command changed: was `{was}`, is `{now}`",
    "dependency": "{subject} changed",
    "missing dependency": "{subject} is missing and no stage writes it",
    "param": "{subject} {was} -> {now}",
    "code": "{subject} changed",
    "remote": "{subject} is remote and is checked when the stage starts",
    "passing dependency": "{subject} differs, but an earlier stage will rewrite it",
    "passing param": "{subject} differs, but an earlier stage will rewrite it",
    "missing data": "{subject} is missing: {now}",
    "pull": "{subject} is missing; --pull fetches it",
    "output": "output {subject} {now}",
    "upstream": "after {subject}",
    "always": "declared to run every time",
    "forced": "requested with --force",
    "forced downstream": "after {subject}, with --force-downstream",
    "environment": "made with {was}, here is {now}",
}

BRIEF: Mapping[str, str] = {"command": "command changed", "remote": "{subject} is remote"}
"""Shorter sentences for a line of a plan."""


def show(value: Any) -> str:
    """Return a value as text for a sentence, with hashes and long texts cut."""
    if value is None:
        return ABSENT
    text = str(value)
    if len(text.removesuffix(".dir")) in (32, 64) and all(
        c in "0123456789abcdef" for c in text.removesuffix(".dir")
    ):
        return text[:4]
    return text if len(text) <= 60 else text[:57] + "..."


def for_json(value: Any) -> Any:
    """Return a params value for JSON; dates, NaN and infinity become text."""
    if isinstance(value, Mapping):
        return {str(key): for_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [for_json(item) for item in value]
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def plain(value: Any) -> Any:
    """Return "null" for a params value of None, because None means that it is absent."""
    return "null" if value is None else value


def differences(key: str, was: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield ``(key, was, now)`` for each leaf that differs; None means absent."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for part in [*was, *(part for part in now if part not in was)]:
            if part in was and part in now:
                yield from differences(f"{key}.{part}", plain(was[part]), plain(now[part]))
            else:
                before, after = (plain(values[part]) if part in values else None for values in (was, now))
                yield f"{key}.{part}", before, after
    elif was != now and not (isinstance(now, tuple) and list(now) == was):
        yield key, was, now


def own_reasons(
    stage: Stage, stage_state: StageState, inputs: Inputs, code_files: Collection[str]
) -> list[Reason]:
    """Return the reasons of a stage itself, given the inputs that it will find."""
    gone = {*stage_state.not_cached}
    gone |= {path for path, status in stage_state.outs.items() if status == "deleted"}
    outs = [
        Reason("output", path, None, "missing" if path in gone else status)
        for path, status in stage_state.outs.items()
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
        if file in stage_state.missing_params and file not in code_files and file not in inputs.deps
    ]
    if not stage_state.recorded:
        # DVC checks only the outputs of a frozen stage: without outputs it never counts as changed.
        return [Reason("new", stage.address), *missing] if outs or not stage.frozen else []
    reasons = list(missing)
    if stage.always_changed and not stage.frozen:
        reasons.append(Reason("always", stage.address))
    if stage_state.cmd_was != stage.cmd or stage_state.cmd_changed:
        reasons.append(
            Reason("command", stage.address, " && ".join(stage_state.cmd_was or ()), " && ".join(stage.cmd))
        )
    if not stage.frozen:
        reasons += [
            Reason("dependency", path, stage_state.deps_was.get(path), now)
            for path, now in inputs.deps.items()
            if now is not None and now != stage_state.deps_was.get(path)
        ]
        reasons += _param_reasons(stage, stage_state, inputs, code_files)
    return reasons + outs


def _param_reasons(
    stage: Stage, stage_state: StageState, inputs: Inputs, code_files: Collection[str]
) -> list[Reason]:
    reasons = []
    for file, key in _compared(stage, stage_state, inputs):
        was, now = stage_state.params_was.get((file, key)), inputs.params.get((file, key))
        if (file, key) in inputs.params and (file, key) in stage_state.params_was and _same(was, now):
            continue
        if file in code_files:
            reasons += [Reason("code", name) for name in _changed_code(was, now)]
        else:
            changes = list(differences(key, was, now)) or [(key, plain(was), plain(now))]
            reasons += [Reason("param", *change, file=file) for change in changes]
    return reasons


def _compared(stage: Stage, stage_state: StageState, inputs: Inputs) -> list[ParamKey]:
    """Return declared, present and recorded params in files with known contents."""
    declared = [(file, key) for file, keys in stage.params.items() for key in keys]
    return [
        pair
        for pair in dict.fromkeys([*declared, *inputs.params, *stage_state.params_was])
        if pair[0] in inputs.files
    ]


def _same(was: Any, now: Any) -> bool:
    """Return whether two params values are equal for DVC.

    DVC records a tuple from a Python file as a list, on the top level only.
    """
    return was == now or (isinstance(now, tuple) and list(now) == was)


def _changed_code(was: Any, now: Any) -> list[str]:
    """Return the names of the functions whose hashes differ."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        return [name for name in {**was, **now} if was.get(name) != now.get(name)]
    return [] if was == now else ["code"]


def passing_reasons(
    stage: Stage, stage_state: StageState, own: Collection[Reason], code_files: Collection[str]
) -> list[Reason]:
    """Return changes in ``dvc status`` that earlier stages will overwrite."""
    if stage.frozen or not stage_state.recorded:
        return []
    now = Inputs(stage_state.deps_now, stage_state.params_now, tuple(stage.params))
    kinds = {
        "dependency": "dependency",
        "missing dependency": "dependency",
        "param": "param",
        "code": "param",
    }
    named = {reason.subject for reason in own}
    return [
        Reason(
            f"passing {kinds[r.kind]}",
            r.subject,
            r.was or stage_state.deps_was.get(r.subject),
            r.now,
            r.file,
        )
        for r in own_reasons(stage, stage_state, now, code_files)
        if r.kind in kinds and r.subject not in named
    ]
