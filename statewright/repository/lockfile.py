"""Write `dvc.lock` byte for byte as a serial ``dvc repro`` does, but faster.

DVC parses and writes the whole file after every stage, which takes quadratic time. Here each
entry is serialized once, and the file is the concatenation of these texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc.stage import PipelineStage

from statewright.files import replacing
from statewright.repository.plain_yaml import plain_yaml

HEAD = "schema: '2.0'\nstages:\n"
_ENTRY = re.compile(r"^  (?! )(?=.*:$)", re.MULTILINE)
_UNUSUAL = re.compile(r"^\s*(#|$)|^\S", re.MULTILINE)


@dataclass
class LockFile:
    """One `dvc.lock` as the text of each entry.

    Parameters
    ----------
    texts : dict
        Maps each stage to the text of its entry, in the order of the file.
    known : frozenset of str or None
        Stages that the file held when it was first read; None before that.
    new : set of str
        Stages that were added since. Their order is that of the plan, not that of their completion.
    signature : tuple of int or None
        Inode, size and time of the file when it was last read or written.
    foreign : set of str
        Stages whose entries another process has written since.
    """

    path: Path
    head: str = HEAD
    texts: dict[str, str] = field(default_factory=dict)
    tail: str = ""
    known: frozenset[str] | None = None
    new: set[str] = field(default_factory=set)
    signature: tuple[int, int, int] | None = None
    foreign: set[str] = field(default_factory=set)

    def read(self, unfinished: Sequence[str] = ()) -> None:
        """Read the file again if another process has written to it."""
        now = _signature(self.path)
        if self.known is None or now != self.signature:
            text, before = self.path.read_text(encoding="utf-8") if now else "", self.texts
            self.head, self.texts, self.tail = split(text, self.path) if text else (HEAD, {}, "")
            if self.known is not None:
                self.foreign |= {name for name in self.texts if self.texts[name] != before.get(name)}
            self.signature = now
        if self.known is None:
            self.new = {name for name in unfinished if name in self.texts}
            self.known = frozenset(self.texts) - self.new

    def write(self, entries: Mapping[str, Any], order: Sequence[str]) -> None:
        """Replace the file by one that also holds these entries."""
        self.read()
        self.texts.update(
            {
                name: plain_yaml({name: entry}, 1) or as_text({"stages": {name: entry}}, "stages:")
                for name, entry in entries.items()
            }
        )
        self.new |= set(entries) - (self.known or frozenset())
        for name in order:
            if name in self.new:
                self.texts[name] = self.texts.pop(name)
        with replacing(self.path) as temporary:
            text = self.head + "".join(self.texts.values()) + self.tail
            temporary.write_text(text, encoding="utf-8", newline="")
        self.signature = _signature(self.path)


def split(text: str, path: Path) -> tuple[str, dict[str, str], str]:
    """Split a lock file into its head, the text of each entry, and its tail."""
    from dvc.utils.serialize._yaml import parse_yaml, parse_yaml_for_update

    body = text.removeprefix(HEAD)
    if body != text and not _UNUSUAL.search(body):
        names = parse_yaml(text, str(path))["stages"] or {}
        starts = [match.start() for match in _ENTRY.finditer(body)]
        parts = [body[start:end] for start, end in zip(starts, [*starts[1:], len(body)], strict=True)]
        if len(parts) == len(names) and starts[:1] in ([], [0]):
            return HEAD, dict(zip(names, parts, strict=True)), ""
    # The file is not exactly as DVC writes it: serialize it again as DVC does, with its comments, then split.
    data = parse_yaml_for_update(text, str(path)) or {"schema": "2.0"}
    if sections := _parts(as_text(data), list(data.get("stages") or {})):
        return sections
    keys = [*data, *([] if "stages" in data else ["stages"])]
    at = keys.index("stages")
    head = as_text({key: data[key] for key in keys[:at]}) + "stages:\n"
    entries = {
        name: as_text({"stages": {name: entry}}, "stages:")
        for name, entry in (data.get("stages") or {}).items()
    }
    return head, entries, as_text({key: data[key] for key in keys[at + 1 :]})


def _parts(text: str, names: Sequence[str]) -> tuple[str, dict[str, str], str] | None:
    """Split a text into head, entries and tail; None if `names` do not match.

    A comment belongs to the entry before it. DVC's parser also attaches it there, and drops it when
    it writes that entry again.
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
    """Return `data` as DVC writes it, without its first line `without`."""
    from dvc.utils.serialize._yaml import dumps_yaml

    return dumps_yaml(data).removeprefix(f"{without}\n") if data else ""


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


@dataclass
class LockFiles:
    """The lock files of a run; a caller must hold the repository's lock."""

    order: dict[str, list[str]]
    files: dict[str, LockFile] = field(default_factory=dict)

    def record(self, stage: PipelineStage) -> None:
        """Write the entry of a stage."""
        from dvc.stage.serialize import to_lockfile

        file = self.files[stage.path]
        file.write(to_lockfile(stage), self.order[stage.path])
        stage.repo.scm_context.track_file(stage.repo.fs.relpath(str(file.path)))

    def update_stage(self, stage: PipelineStage) -> None:
        """Update a stage if another process, such as ``dvc repro``, recorded it."""
        from dvc.stage.loader import StageLoader
        from dvc.utils.serialize import parse_yaml

        file = self.files[stage.path]
        file.read()
        if stage.name in file.foreign:
            file.foreign.discard(stage.name)
            entry = parse_yaml(f"stages:\n{file.texts[stage.name]}", file.path)["stages"][stage.name]
            StageLoader.fill_from_lock(stage, entry)
            stage.cmd_changed = entry.get("cmd") != stage.cmd


def lock_files(stages: Sequence[PipelineStage], unfinished: Mapping[str, Sequence[str]]) -> LockFiles:
    """Read the lock files of `stages`; new entries follow the order of `stages`.

    Parameters
    ----------
    unfinished : mapping of str to sequence of str
        Path of a `dvc.yaml` -> stages whose entries a killed run added; they count as new.
    """
    locks = LockFiles({})
    for stage in stages:
        if stage.path not in locks.files:
            locks.order[stage.path] = []
            locks.files[stage.path] = LockFile(Path(stage.dvcfile._lockfile.path))
            locks.files[stage.path].read(unfinished.get(stage.path, ()))
        locks.order[stage.path].append(stage.name)
    return locks
