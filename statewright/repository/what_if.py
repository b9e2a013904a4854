"""Plan with other parameters, without a change on disk.

DVC resolves templates, `foreach` and `matrix` from params files, and hashes those that are declared
as dependencies. Here DVC reads a substitute text for such a file, and the hashes of the file and of
the folders around it are computed from that text. The plan is the one with which `run --set` begins.
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
from statewright.state import Hashes, StageState, State


def overlay_texts(repository: Repository, texts: Mapping[str, str]) -> None:
    """Make DVC read `texts` instead of files.

    The keys of `texts` are paths relative to the root of the repository.
    """
    from dvc.fs import LocalFileSystem

    fs: Any = LocalFileSystem()
    open_file, overlay = fs.open, {str(repository.root / path): text for path, text in texts.items()}

    def read(path: Any, mode: str = "r", **more: Any) -> Any:
        text = overlay.get(os.path.normpath(Path.cwd() / path)) if mode == "r" else None
        return open_file(path, mode, **more) if text is None else io.StringIO(text)

    fs.open = read
    repository.repo.fs = fs


def overlay_state(repository: Repository, state: State, texts: Mapping[str, str]) -> State:
    """Return the state with the files replaced by `texts`."""
    stages = {}
    for address, observed in state.stages.items():
        stage = repository.stages[address]
        items = {relative(item, repository.root): item for item in [*stage.deps, *stage.outs]}
        hashes = {
            path: _hash(repository, item, path, texts)
            for path, item in items.items()
            if item not in stage.params and any(_contains(path, file) for file in texts) and item.exists
        }
        stages[address] = _replace_hashes(observed, hashes) if hashes else observed
    return replace(state, stages=stages)


def _replace_hashes(observed: StageState, hashes: Hashes) -> StageState:
    deps = {path: hashes.get(path, value) for path, value in observed.deps_now.items()}
    outs = {
        path: ("ok" if hashes[path] == observed.outs_was.get(path) else "modified")
        if path in hashes and status != "not in cache"
        else status
        for path, status in observed.outs.items()
    }
    return replace(observed, deps_now=deps, outs=outs)


def _contains(path: str, file: str) -> bool:
    return path == file or file.startswith(f"{path}/")


def _hash(repository: Repository, item: Any, path: str, texts: Mapping[str, str]) -> str | None:
    """Return the hash of a file or folder with the files replaced by `texts`."""
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
