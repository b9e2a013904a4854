"""Why a stage will run: reasons as values, each with its sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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
        return SENTENCES[self.kind].format(subject=self.subject, was=show(self.was), now=show(self.now))


SENTENCES: Mapping[str, str] = {
    "new": "{subject} has not run yet",
    "command": "command changed: was `{was}`, is `{now}`",
    "dependency": "{subject} changed: was {was}, is {now}",
    "missing dependency": "{subject} does not exist and no stage makes it",
    "param": "{subject} {was} -> {now}",
    "code": "{subject} changed",
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


def differences(key: str, was: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield ``(key, was, now)`` for each leaf in which two params values differ."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for part in [*was, *(part for part in now if part not in was)]:
            if part in was and part in now:
                yield from differences(f"{key}.{part}", was[part], now[part])
            else:
                yield f"{key}.{part}", was.get(part), now.get(part)
    elif was != now and not (isinstance(now, tuple) and list(now) == was):
        yield key, was, now
