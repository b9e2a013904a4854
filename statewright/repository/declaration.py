"""Open a DVC repository and read its declared stages.

All threads of a process share one `Repo`, behind a mutex and DVC's own repository lock. While the
command of a stage runs, neither is held, only DVC's read-write locks on its paths.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dvc.config import Config
from dvc.dvcfile import PROJECT_FILE, ProjectFile, load_file
from dvc.exceptions import NotDvcRepoError
from dvc.fs import LocalFileSystem
from dvc.repo import Repo
from dvc.stage import PipelineStage
from dvc.stage import Stage as DvcStage
from dvc.stage.exceptions import StageNotFound

from statewright.repository.acyclic import check_cycles_by_order
from statewright.repository.errors import translate_errors
from statewright.repository.locks import repository_lock
from statewright.repository.loggers import set_up_loggers
from statewright.repository.remotes import stand_in_for_missing
from statewright.request import EVERYTHING, Request
from statewright.workflow import Output, Stage, Workflow, WorkflowError

if TYPE_CHECKING:
    from statewright.repository.remote_runs import RemoteRuns

_ABSENT = object()


@dataclass
class Repository:
    """An open DVC repository: the shared `Repo` and the mutex around it."""

    repo: Repo
    root: Path
    mutex: threading.RLock = field(default_factory=threading.RLock)
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set when a run is interrupted: its threads then stop to wait for locks."""
    below: str = "."
    """The folder in which the user typed the command, relative to `root`."""
    request: Request = EVERYTHING
    """Treatment of missing data and of the run cache."""
    remote: RemoteRuns | None = None
    """The open remote of `--pull` and `--push`, with what it has answered to the plan."""
    run_cache_fetched: bool = False
    """True after `--pull` has fetched the run cache of the remote."""
    _stages: tuple[Any, dict[str, DvcStage]] = (None, {})

    @property
    def stages(self) -> Mapping[str, DvcStage]:
        """DVC's stages by address, in no particular order."""
        index = self.repo.index
        if self._stages[0] is not index:
            self._stages = (index, {stage.addressing: stage for stage in index.stages})
        return self._stages[1]

    def needed_by(self, stage: DvcStage) -> list[DvcStage]:
        """Return the stages that write the dependencies of a stage."""
        return [] if stage.frozen else list(self.repo.index.graph.successors(stage))

    @contextmanager
    def locked(self, stage: DvcStage | None = None) -> Iterator[None]:
        """Hold the mutex and DVC's repository lock; with `stage`, wait for its paths too."""
        with repository_lock(self.repo, self.mutex, self.stopped, stage):
            yield


def open_repository(directory: Path, request: Request = EVERYTHING) -> Repository:
    """Open the DVC repository around `directory` and change to its root.

    Raises
    ------
    WorkflowError
        If there is none, with the command that creates one.
    """
    set_up_loggers()
    here = os.path.realpath(directory)
    stand_in_for_missing()
    check_cycles_by_order()
    with translate_errors(str(directory)), _reporting_none(directory):
        repo = Repo(here, _wait_for_lock=True)
    os.chdir(repo.root_dir)
    return Repository(repo, Path(repo.root_dir), below=os.path.relpath(here, repo.root_dir), request=request)


def find_root(directory: Path) -> Path:
    """Return the root of the DVC repository around `directory`, without opening it.

    Raises
    ------
    WorkflowError
        If there is none, with the command that creates one.
    """
    with _reporting_none(directory):
        return Path(Repo.find_root(os.path.realpath(directory)))


def is_interactive(root: Path) -> bool:
    """Return whether DVC's configuration asks before each stage (`core.interactive`)."""
    with translate_errors(str(root)):
        return bool(Config(str(root / Repo.DVC_DIR))["core"].get("interactive"))


@contextmanager
def _reporting_none(directory: Path) -> Iterator[None]:
    try:
        yield
    except NotDvcRepoError as error:
        raise WorkflowError(f"{directory}: {error}; `dvc init` creates a DVC repository") from error


def declare(repository: Repository) -> Workflow:
    """Read the stages as DVC resolves them.

    Raises
    ------
    WorkflowError
        With DVC's message, if `dvc.yaml` or a params file is broken.
    """
    with translate_errors():
        graph, order = _ordered(repository)
        cells = _cells(order)
    stages = {
        stage.addressing: _stage(stage, repository.root, cells.get(stage.addressing, {})) for stage in order
    }
    upstream = {
        stage.addressing: tuple(sorted(other.addressing for other in graph.successors(stage)))
        for stage in order
    }
    return Workflow(stages, upstream, _params(order, repository.root))


def declare_one(repository: Repository, address: str) -> Workflow:
    """Read one stage as DVC resolves it, without the others and without edges.

    It takes a fraction of the time of `declare` where a matrix makes hundreds of stages. Each cell does
    this when it starts, so ``dvc.yaml`` is parsed once, and ``dvc.lock``, which is larger, is not read.

    Raises
    ------
    WorkflowError
        If ``dvc.yaml`` does not declare the stage, or with DVC's message.
    """
    path, _, name = address.rpartition(":")
    with translate_errors():
        try:
            stage, definitions = _load_unlocked(repository.repo, path or PROJECT_FILE, name)
        except StageNotFound:
            raise WorkflowError(
                "dvc.yaml declares no such stage; `statewright graph` lists the declared stages"
            ) from None
        cell = _cells([stage], {stage.path: definitions}).get(address, {})
    params = _params([stage], repository.root)
    return Workflow({address: _stage(stage, repository.root, cell)}, {address: ()}, params)


def _load_unlocked(repo: Repo, path: str, name: str) -> tuple[DvcStage, Any]:
    """Return a stage without its entry in ``dvc.lock``, and its definitions.

    The second is None for a ``.dvc`` file.
    """
    file: Any = load_file(repo, path)
    # DVC caches the contents of the lock file in this attribute.
    vars(file)["lockfile_contents"] = {}
    return file.stages[name], file.resolver.definitions if isinstance(file, ProjectFile) else None


def _params(stages: Iterable[DvcStage], root: Path) -> dict[str, dict[str, Any]]:
    params: dict[str, dict[str, Any]] = {}
    files: dict[Any, Any] = {}
    for stage in stages:
        with translate_errors(f"stage '{stage.addressing}'"):
            for dep in stage.params:
                params.setdefault(relative(dep, root), {}).update(read_params(dep, files))
    return params


def read_params(dep: Any, files: dict[Any, Any]) -> Mapping[str, Any]:
    """Read the params of one stage from a params file, as DVC does.

    `files` caches the parsed files, and the values of their keys, for all stages: the search for one key
    visits the whole file, and the cells of a matrix have the same keys.
    """
    import dpath
    from dvc.dependency.param import read_param_file

    path = dep.fs_path
    if path not in files:
        files[path] = (
            read_param_file(dep.repo.fs, path) if dep.exists and not dep.isdir() else dep.read_params()
        )
    contents, values = files[path], {}
    for key in dep.params:
        if (path, key) not in files:
            files[path, key] = dpath.get(contents, key, separator=".", default=_ABSENT)
        if files[path, key] is not _ABSENT:
            values[key] = files[path, key]
    # DVC reads no params from a file that holds a list or a number, and reports that when the stage runs.
    return values if dep.params else contents if isinstance(contents, Mapping) else {}


def _ordered(repository: Repository) -> tuple[Any, list[DvcStage]]:
    """Return DVC's graph and its stages in the order of ``dvc repro``.

    The graph lacks the edges into frozen stages.
    """
    import networkx
    from dvc.repo.reproduce import get_active_graph

    graph = get_active_graph(repository.repo.index.graph)
    return graph, list(networkx.dfs_postorder_nodes(graph))


def describe(repository: Repository) -> dict[str, Any]:
    """Return DVC's graph: every entry of its index, all edges, and a run order.

    Paths are relative to the repository; paths outside of it are as DVC prints them. `cmd` is a text
    or a list, as declared. `params` maps a file to the keys read from it, or to None for all keys.
    `edges` holds the edges into a frozen stage; `order` ignores them, as DVC does.
    """
    with translate_errors():
        graph, order = repository.repo.index.graph, _ordered(repository)[1]
    return {
        "stages": [_describe_stage(stage, repository.root) for stage in order],
        "edges": sorted([up.addressing, stage.addressing] for stage, up in graph.edges),
        "order": [stage.addressing for stage in order],
    }


def _describe_stage(stage: DvcStage, root: Path) -> dict[str, Any]:
    return {
        "address": stage.addressing,
        "cmd": list(as_commands(stage.cmd)) if isinstance(stage.cmd, list) else stage.cmd,
        "deps": [_plain_path(dep, root) for dep in stage.deps if dep not in stage.params],
        "params": {relative(dep, root): list(dep.params) or None for dep in stage.params},
        "outs": [_plain_path(out, root) for out in stage.outs],
        "frozen": bool(stage.frozen),
        "always_changed": bool(stage.always_changed),
        "meta": stage.meta,
    }


def _plain_path(item: Any, root: Path) -> str:
    """Return the path of a file, also of one in another repository.

    `relative` returns the name of that repository as well.
    """
    return str(item.def_path) if hasattr(item, "def_repo") else relative(item, root)


def relative(item: Any, root: Path) -> str:
    """Return the path of a dependency or output, relative to `root` if inside of it."""
    if item.fs_path is None or item.protocol != "local":
        return str(item)
    repo = item.repo
    if repo is not None and not isinstance(repo.fs, LocalFileSystem):
        # In a commit, the paths of git's objects start at the top of the git repository.
        if item.fs is not repo.fs:
            return str(item)
        if not Path(item.fs_path).is_relative_to(root):
            return f"{repo.scm.root_dir}{item.fs_path}"
    inside = item.fs_path.removeprefix(f"{root}{os.sep}")
    if inside != item.fs_path and os.path.normpath(inside) == inside and os.sep == "/":
        return str(inside)  # as below, in a twentieth of the time
    path = Path(item.fs_path)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(item)


def _stage(stage: DvcStage, root: Path, cell: Mapping[str, Any]) -> Stage:
    params = {relative(dep, root): tuple(dep.params) for dep in stage.params}
    return Stage(
        address=stage.addressing,
        cmd=as_commands(stage.cmd),
        deps=tuple(relative(dep, root) for dep in stage.deps if dep not in stage.params),
        params=params,
        outs=tuple(_output(out, root) for out in stage.outs),
        wdir=os.path.relpath(stage.wdir, root),
        desc=stage.desc or "",
        frozen=bool(stage.frozen),
        always_changed=bool(stage.always_changed or stage.is_callback),
        plain=isinstance(stage, PipelineStage) and not stage.frozen,
        meta=stage.meta,
        cell=cell,
    )


def _cells(stages: Iterable[DvcStage], known: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """Return address -> axis -> value of the stages that `matrix` or `foreach` made.

    The axis of `foreach` is `item`, unless its items are mappings. `known` maps the path of a file to its
    definitions, if it has been parsed.
    """
    files = dict(known or {})  # each stage of DVC would parse its dvc.yaml again
    cells = {}
    for stage in stages:
        group, _, key = (
            (stage.name or "").partition("@") if isinstance(stage, PipelineStage) else ("", "", "")
        )
        if not key:
            continue
        if stage.path not in files:
            files[stage.path] = stage.dvcfile.resolver.definitions
        item = files[stage.path][group].normalized_iterable[key]
        values = item if isinstance(item, Mapping) else {"item": item}
        # DVC wraps the values that come from a params file.
        cells[stage.addressing] = {axis: getattr(value, "value", value) for axis, value in values.items()}
    return cells


def as_commands(value: Any) -> tuple[str, ...]:
    """Return the commands of a stage, which DVC stores as one text or as a list.

    DVC accepts a list of any items, and fails when it starts one that is not a text.
    """
    return tuple(map(str, value)) if isinstance(value, list) else (value,) if value else ()


def _output(out: Any, root: Path) -> Output:
    role = "metric" if out.metric else "plot" if out.plot else "out"
    x = out.plot.get("x") if isinstance(out.plot, Mapping) else None
    return Output(
        relative(out, root), role, bool(out.use_cache), x if isinstance(x, str) else None, bool(out.persist)
    )
