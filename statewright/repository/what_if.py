"""What would the plan be, were some parameters otherwise? Nothing on disk changes.

DVC resolves templates, `foreach` and `matrix` from params files, and hashes those that are declared as
dependencies. So DVC is given another text when it reads such a file, and the hashes of what the
file is, or lies in, are taken of that text. The plan is then the one that `run --set` would begin with.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from statewright.repository.declaration import Repository, relative
from statewright.state import Hashes, Observed, State


def pretend(repository: Repository, texts: Mapping[str, str]) -> None:
    """Let DVC read `texts` (path from the root -> text) in place of what lies there."""
    from dvc.fs import LocalFileSystem

    fs: Any = LocalFileSystem()
    as_it_lies, supposed = fs.open, {str(repository.root / path): text for path, text in texts.items()}

    def read(path: Any, mode: str = "r", **more: Any) -> Any:
        text = supposed.get(os.path.normpath(Path.cwd() / path)) if mode == "r" else None
        return as_it_lies(path, mode, **more) if text is None else io.StringIO(text)

    fs.open = read
    repository.repo.fs = fs


def supposing(repository: Repository, state: State, texts: Mapping[str, str]) -> State:
    """The state that would be observed, had the files the supposed texts."""
    seen = {}
    for address, observed in state.stages.items():
        stage = repository.stages[address]
        items = {relative(item, repository.root): item for item in [*stage.deps, *stage.outs]}
        now = {
            path: _hash(repository, item, path, texts)
            for path, item in items.items()
            if item not in stage.params and any(_holds(path, file) for file in texts) and item.exists
        }
        seen[address] = _otherwise(observed, now) if now else observed
    return replace(state, stages=seen)


def _otherwise(seen: Observed, now: Hashes) -> Observed:
    deps = {path: now.get(path, value) for path, value in seen.deps_now.items()}
    outs = {
        path: ("ok" if now[path] == seen.outs_was.get(path) else "modified")
        if path in now and status != "not in cache"
        else status
        for path, status in seen.outs.items()
    }
    return replace(seen, deps_now=deps, outs=outs)


def _holds(path: str, file: str) -> bool:
    return path == file or file.startswith(f"{path}/")


def _hash(repository: Repository, item: Any, path: str, texts: Mapping[str, str]) -> str | None:
    """The hash of a file or folder in which the supposed texts stand."""
    from dvc_data.hashfile.hash_info import HashInfo

    md5 = {
        file: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() for file, text in texts.items()
    }
    if path in md5:
        return md5[path]
    _, _, tree = item._build(
        item.local_cache, item.fs_path, item.fs, "md5", ignore=item.dvcignore, dry_run=True
    )
    for key, meta, _ in list(tree):
        file = Path(path, *key).as_posix()
        if file in md5:
            tree.add(key, meta, HashInfo("md5", md5[file]))
    tree.digest()
    return str(tree.hash_info.value)
