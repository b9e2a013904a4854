"""DVC's side of a stage that runs on another machine.

Both sides describe the stage by its entry, as in `dvc.lock`: the command, the hashes of the dependencies,
the values of the params, the hashes of the outputs. The worker needs no `dvc.yaml`, and the coordinator
checks out the outputs as if they came from the run cache.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.config import Config
from dvc.repo import Repo
from dvc.stage import PipelineStage, create_stage
from dvc.stage.loader import StageLoader

from statewright.files import md5
from statewright.repository.declaration import Repository, relative
from statewright.repository.errors import collecting_transfer_errors
from statewright.repository.loggers import set_up_loggers
from statewright.repository.remotes import stand_in_for_missing

Entry = dict[str, Any]
"""A stage, or one of its files, as in `dvc.lock`."""


@dataclass(frozen=True)
class Travelling:
    """A stage for a worker.

    Parameters
    ----------
    entry : dict
        Its entry; of the outputs, the paths only.
    inputs : list of dict
        Entries of the dependencies and params files that git does not hold.
    folders : list of str
        Folders of outputs that exist.
    """

    entry: Entry
    inputs: list[Entry]
    folders: list[str]


def obstacle(repository: Repository, address: str) -> str | None:
    """Return the reason why DVC's settings of a stage keep its files on this machine, or None."""
    stage = repository.stages[address]
    for part in (*stage.deps, *stage.outs):
        path = relative(part, repository.root)
        if hasattr(part, "def_repo") or hasattr(part, "def_dataset"):
            return f"its dependency {path} is imported from another repository"
        if part.hash_name == "md5-dos2unix":
            return f"{path} is recorded in the format of DVC 2; `dvc repro -f {address}` rewrites it"
    for out in stage.outs:
        if not out.can_push:
            return f"its output {relative(out, repository.root)} must not be pushed (push: false)"
    for up in repository.needed_by(stage):
        for out in up.outs:
            if not out.can_push:
                return f"it may need {relative(out, repository.root)}, which must not be pushed (push: false)"
    return None


def describe_stage(repository: Repository, address: str, source: frozenset[str]) -> Travelling:
    """Describe a stage whose dependencies have been hashed, and put its inputs into the cache.

    Parameters
    ----------
    source : frozenset of str
        Files that a worker gets from git, relative to the repository.
    """
    from dvc.stage.serialize import to_single_stage_lockfile

    stage, root = repository.stages[address], repository.root
    with repository.locked():
        entry = plain({**to_single_stage_lockfile(stage), "outs": [{"path": o.def_path} for o in stage.outs]})
        entries = {item["path"]: item for item in entry.get("deps", ())}
        inputs = []
        for dep in stage.deps:
            path = relative(dep, root)
            if dep in stage.params:
                if path not in source:
                    size = Path(dep.fs_path).stat().st_size
                    hashed = md5(Path(dep.fs_path))
                    inputs.append({"path": dep.def_path, "hash": "md5", "md5": hashed, "size": size})
            elif not _files(dep, path) <= source:
                inputs.append(entries[dep.def_path])
        for item in _holder(repository.repo, Path(stage.wdir), inputs).outs if inputs else ():
            if item.changed_cache():
                item.commit(relink=False)
    wdir = Path(stage.wdir)
    parents = {os.path.relpath(Path(o.fs_path).parent, wdir) for o in stage.outs}
    return Travelling(entry, inputs, sorted(path for path in parents if (wdir / path).is_dir()))


def _files(dep: Any, path: str) -> set[str]:
    """Return the files of a dependency, relative to the repository."""
    if dep.hash_info.isdir and dep.obj is not None:
        return {"/".join((path, *key)) for key, _, _ in dep.obj}
    return {path}


def restore_outputs(repository: Repository, address: str, outs: list[Entry]) -> None:
    """Check out the outputs of a stage, which are in the cache, as its command would leave them."""
    stage = repository.stages[address]
    with repository.locked():
        uncached = {out.def_path for out in stage.outs if not out.use_cache}
        holder = _holder(repository.repo, Path(stage.wdir), outs)
        for out in holder.outs:
            if out.def_path in uncached:
                with repository.repo.stage_cache._cache_type_copy():  # a file that git tracks is no link
                    out.checkout(force=True)
            else:
                out.checkout(force=True)


def _holder(repo: Repo, wdir: Path, files: Iterable[Entry]) -> PipelineStage:
    """Return a stage whose cached outputs are `files`."""
    files = list(files)
    paths = [item["path"] for item in files]
    stage = create_stage(
        PipelineStage, repo=repo, path=str(wdir / "dvc.yaml"), wdir=str(wdir), cmd="true", outs=paths
    )
    StageLoader.fill_from_lock(stage, {"outs": files})
    return stage


def plain(value: Any) -> Any:
    """Return a value of DVC, which wraps dicts and lists, as plain data."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


@dataclass(frozen=True)
class WorkerStage:
    """A stage in the checkout of a worker."""

    repo: Repo
    stage: PipelineStage
    address: str

    def fetch_inputs(self, inputs: list[Entry]) -> None:
        """Check out the inputs, which are in the cache."""
        for out in _holder(self.repo, Path(self.stage.wdir), inputs).outs if inputs else ():
            out.checkout(force=True)

    def differing(self, entry: Mapping[str, Any]) -> list[str]:
        """Return the dependencies and params files whose content differs from the entry."""
        self.stage.save_deps()
        here = self._entry()
        was = {item["path"]: item["md5"] for item in entry.get("deps", ())}
        now = {item["path"]: item["md5"] for item in here.get("deps", ())}
        params = entry.get("params", {})
        return [path for path in was if was[path] != now.get(path)] + [
            file for file in params if params[file] != here.get("params", {}).get(file)
        ]

    def command_lines(self) -> Iterator[tuple[list[str] | str, dict[str, Any]]]:
        """Yield arguments and keywords of `Popen` for each command, as DVC does."""
        from dvc.stage.run import _enforce_cmd_list, _make_cmd, get_executable, prepare_kwargs

        for command in _enforce_cmd_list(self.stage.cmd):
            keywords = prepare_kwargs(self.stage)
            keywords["env"]["DVC_STAGE"] = self.address
            yield _make_cmd(get_executable(), command), keywords

    def save_outputs(self) -> list[Entry]:
        """Save the outputs in the cache and return their entries."""
        self.stage.save_outs()
        with collecting_transfer_errors() as errors:
            for out in self.stage.outs:
                out.commit(relink=False)
        if errors:
            raise OSError("outputs could not be copied into the cache of the worker") from errors[0]
        outs: list[Entry] = self._entry().get("outs", [])
        return outs

    def _entry(self) -> Entry:
        from dvc.stage.serialize import to_single_stage_lockfile

        entry: Entry = plain(to_single_stage_lockfile(self.stage))
        return entry


@contextmanager
def open_worker_repository(root: Path, cache: Path, name: str, settings: Mapping[str, Any]) -> Iterator[Repo]:
    """Yield the DVC repository in the checkout of a worker, with a cache of its own.

    Parameters
    ----------
    name, settings
        The remote, and settings of it that win over those in the checkout.
    """
    set_up_loggers()
    stand_in_for_missing()
    folder = root / ".dvc"
    folder.mkdir(exist_ok=True)
    with Config(str(folder), local_dvc_dir=str(folder)).edit("local", validate=False) as local:
        local["core"] = {"remote": name, "no_scm": True, "analytics": False, "check_update": False}
        local["core"]["site_cache_dir"] = str(cache / "site")
        local["cache"] = {"dir": str(cache)}
        local["remote"] = {name: dict(settings)}
    with Repo(str(root)) as repo:
        yield repo


def own_settings(path: Path, name: str) -> dict[str, Any]:
    """Return the settings of a remote in a configuration file of DVC; none if it cannot be read."""
    try:
        sections = Config.load_file(str(path))
    except (OSError, ValueError):
        return {}
    return dict(sections.get("remote", {}).get(name, {}))


def stage_in(repo: Repo, address: str, wdir: Path, entry: Mapping[str, Any]) -> WorkerStage:
    """Return the stage that an entry describes, in the checkout of a worker."""
    stage = create_stage(
        PipelineStage,
        repo=repo,
        path=str(wdir / "dvc.yaml"),
        name=address.rpartition(":")[2],
        wdir=str(wdir),
        cmd=entry["cmd"],
        deps=[item["path"] for item in entry.get("deps", ())],
        params=[{file: list(values)} for file, values in entry.get("params", {}).items()],
        outs=[item["path"] for item in entry.get("outs", ())],
    )
    return WorkerStage(repo, stage, address)
