"""Write `dvc.lock` to the byte as a serial ``dvc repro`` would, and in time that does not grow.

DVC parses and writes the whole file after every stage, which takes quadratic time. Here each
entry is turned into text once, and the file is put together from the texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc.stage import PipelineStage

from statewright.files import replacing

HEAD = "schema: '2.0'\nstages:\n"
_ENTRY = re.compile(r"^  (?! )(?=.*:$)", re.MULTILINE)
_UNUSUAL = re.compile(r"^\s*(#|$)|^\S", re.MULTILINE)


@dataclass
class LockFile:
    """One `dvc.lock`: the text of each entry, by stage, in the order of the file.

    `new` are the stages that it did not hold when it was first read; they stand in the order of
    the plan, wherever in time they ended. `foreign` are those that somebody else has written since.
    """

    path: Path
    head: str = HEAD
    texts: dict[str, str] = field(default_factory=dict)
    tail: str = ""
    known: frozenset[str] | None = None
    new: set[str] = field(default_factory=set)
    seen: tuple[int, int, int] | None = None
    foreign: set[str] = field(default_factory=set)

    def read(self) -> None:
        """Take in what lies there, if somebody has written since."""
        now = _signature(self.path)
        if self.known is None or now != self.seen:
            text, before = self.path.read_text(encoding="utf-8") if now else "", self.texts
            self.head, self.texts, self.tail = split(text, self.path) if text else (HEAD, {}, "")
            if self.known is not None:
                self.foreign |= {name for name in self.texts if self.texts[name] != before.get(name)}
            self.seen = now
        if self.known is None:
            self.known = frozenset(self.texts)

    def write(self, entries: Mapping[str, Any], order: Sequence[str]) -> None:
        """Replace the file by one with these entries too."""
        self.read()
        self.texts.update(
            {name: as_text({"stages": {name: entry}}, "stages:") for name, entry in entries.items()}
        )
        self.new |= set(entries) - (self.known or frozenset())
        for name in order:
            if name in self.new:
                self.texts[name] = self.texts.pop(name)
        with replacing(self.path) as temporary:
            text = self.head + "".join(self.texts.values()) + self.tail
            temporary.write_text(text, encoding="utf-8", newline="")
        self.seen = _signature(self.path)


def split(text: str, path: Path) -> tuple[str, dict[str, str], str]:
    """What stands before the entries, the text of each entry, and what stands after them."""
    from dvc.utils.serialize._yaml import parse_yaml, parse_yaml_for_update

    body = text.removeprefix(HEAD)
    if body != text and not _UNUSUAL.search(body):
        names = parse_yaml(text, str(path))["stages"] or {}
        starts = [match.start() for match in _ENTRY.finditer(body)]
        parts = [body[start:end] for start, end in zip(starts, [*starts[1:], len(body)], strict=True)]
        if len(parts) == len(names) and starts[:1] in ([], [0]):
            return HEAD, dict(zip(names, parts, strict=True)), ""
    # Not quite as DVC writes it: written anew as DVC would, comments and all, then taken apart.
    data = parse_yaml_for_update(text, str(path)) or {"schema": "2.0"}
    if found := _parts(as_text(data), list(data.get("stages") or {})):
        return found
    keys = [*data, *([] if "stages" in data else ["stages"])]
    at = keys.index("stages")
    head = as_text({key: data[key] for key in keys[:at]}) + "stages:\n"
    entries = {
        name: as_text({"stages": {name: entry}}, "stages:")
        for name, entry in (data.get("stages") or {}).items()
    }
    return head, entries, as_text({key: data[key] for key in keys[at + 1 :]})


def _parts(text: str, names: Sequence[str]) -> tuple[str, dict[str, str], str] | None:
    """Head, entries and tail of a text with these entries; a comment stays with what it stands after.

    So does DVC's parser keep it, and lose it when that is written anew.
    """
    heading = re.search(r"^stages:.*\n", text, re.MULTILINE)
    if not heading:
        return None
    rest = text[heading.end() :]
    end = found.start() if (found := re.search(r"^[^\s#]", rest, re.MULTILINE)) else len(rest)
    starts = [found.start() for found in re.finditer(r"^  (?![ #])", rest[:end], re.MULTILINE)]
    parts = [rest[start:stop] for start, stop in zip(starts, [*starts, end][1:], strict=True)]
    if len(parts) != len(names):
        return None
    head = text[: heading.end()] if names else text[: heading.start()] + "stages:\n"
    first = starts[0] if starts else end
    return head + rest[:first], dict(zip(names, parts, strict=True)), rest[end:]


def as_text(data: Mapping[str, Any], without: str = "") -> str:
    """`data` as DVC writes it, without its first line `without`."""
    from dvc.utils.serialize._yaml import dumps_yaml

    return dumps_yaml(data).removeprefix(f"{without}\n") if data else ""


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


@dataclass
class LockFiles:
    """The lock files of a run; whoever calls holds the repository's lock."""

    order: dict[str, list[str]]
    files: dict[str, LockFile] = field(default_factory=dict)

    def record(self, stage: PipelineStage) -> None:
        """Write the entry of a stage."""
        from dvc.stage.serialize import to_lockfile

        file = self.files[stage.path]
        file.write(to_lockfile(stage), self.order[stage.path])
        stage.repo.scm_context.track_file(stage.repo.fs.relpath(str(file.path)))

    def take_foreign(self, stage: PipelineStage) -> None:
        """Tell a stage what somebody else, a ``dvc repro`` say, has recorded of it since it was read."""
        from dvc.stage.loader import StageLoader
        from dvc.utils.serialize import parse_yaml

        file = self.files[stage.path]
        file.read()
        if stage.name in file.foreign:
            file.foreign.discard(stage.name)
            entry = parse_yaml(f"stages:\n{file.texts[stage.name]}", file.path)["stages"][stage.name]
            StageLoader.fill_from_lock(stage, entry)
            stage.cmd_changed = entry.get("cmd") != stage.cmd


def lock_files(stages: Sequence[PipelineStage]) -> LockFiles:
    """The lock files of `stages` as they stand, in whose order new entries shall stand."""
    found = LockFiles({})
    for stage in stages:
        if stage.path not in found.files:
            found.order[stage.path] = []
            found.files[stage.path] = LockFile(Path(stage.dvcfile._lockfile.path))
            found.files[stage.path].read()
        found.order[stage.path].append(stage.name)
    return found
