"""Cache of the last "up to date" answer, valid until a file changes.

Planning opens DVC, resolves templates, parses lock files and checks every file. The answer depends
on the opened files, the listed folders, and the files below the paths of the stages. If the answer
was that all stages are up to date, :func:`store` saves the signature (inode, size, time, mode) of
each of these paths in `.statewright/settled.json`. As long as the signatures are equal,
:func:`recall` gives the same answer without opening DVC.

If anything differs, the repository is planned in full. The cache may therefore miss, but it must
never give a wrong answer: it stores nothing if a file changed while the plan was made, or so
shortly before that a second change could have the same time stamp. DVC relies on inode, size and
time in the same way instead of hashing a file again.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statewright.planning.plan import SKIP, Decision, Plan
from statewright.planning.reasons import Reason
from statewright.request import Request, as_request
from statewright.unchanged import UNPUSHED, circumstances, find_root, read_answer, signature
from statewright.workflow import Stage, Workflow, WorkflowError

if TYPE_CHECKING:
    from statewright.drift import Environments
    from statewright.repository.declaration import Repository

TICK_S, COARSE_TICK_S = 0.05, 2.0
"""Upper bounds of a file system's clock tick: with fractions of a second, and with whole seconds."""


@dataclass
class AccessLog:
    """Paths that this process has opened or listed since `started`."""

    started: float = field(default_factory=time.time)
    paths: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class SettledPlan:
    """Plan of stages that are all up to date.

    The stages of its workflow have an address and `meta.show` only.

    Parameters
    ----------
    certain : bool
        Whether a change of the software of the stages would have been noticed.
    """

    root: Path
    workflow: Workflow
    plan: Plan
    targets: tuple[str, ...] = ()
    certain: bool = True

    @property
    def strict(self) -> bool:
        """True if the answer holds for ``--strict-environment`` too."""
        return self.certain and not any(decision.reasons for decision in self.plan.decisions.values())


_open_logs: list[AccessLog] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _open_logs and event in ("open", "os.scandir", "os.listdir"):
        path = arguments[0]
        if isinstance(path, str | os.PathLike):
            text = os.fspath(path)
            if isinstance(text, str):
                _open_logs[-1].paths.add(str(Path(text).absolute()))


@contextmanager
def logging_accesses() -> Iterator[AccessLog]:
    """Log the files that this process opens and the folders that it lists."""
    # An audit hook cannot be removed, so the process gets one for all blocks.
    if not getattr(sys, "_statewright_audit", False):
        sys.addaudithook(_audit)
        sys._statewright_audit = True  # type: ignore[attr-defined]
    _open_logs.append(log := AccessLog())
    try:
        yield log
    finally:
        _open_logs.pop()


def store(
    log: AccessLog,
    repository: Repository,
    workflow: Workflow,
    plan: Plan,
    environments: Environments | None = None,
) -> bool:
    """Save the plan if all stages are up to date, and return whether it was saved.

    Parameters
    ----------
    log : AccessLog
        Paths that were read to make the plan.
    environments : Environments, optional
        The comparison of the software that made the outputs with the software that is here.
    """
    request = repository.request
    usual = _is_usual(request) and not request.targets
    if not usual or any(
        d.verdict != SKIP or {r.kind for r in d.reasons} - {"environment"} for d in plan.decisions.values()
    ):
        return False
    root = repository.root
    paths = _relevant(log.paths, root)
    for address, stage in repository.stages.items():
        if address not in plan.decisions:
            continue
        declared = Path(stage.path)
        paths |= {str(Path(folder, "params.yaml")) for folder in (stage.wdir, declared.parent)}
        paths.add(str(declared.with_suffix(".lock")))
        for item in (*stage.deps, *stage.outs):
            if item.fs_path and item.protocol == "local" and not hasattr(item, "def_repo"):
                paths.update(_below(item.fs_path))
            paths.update(_cache_paths(item))
    paths |= {str(root / ".dvc" / name) for name in ("config", "config.local")}
    paths.update(environments.watched if environments else ())
    folder = root / ".statewright"
    new = not folder.exists()
    signatures = {path: signature(path) for path in paths}
    # Creating the folder below changes the time of its parent.
    times = [value[2] for path, value in signatures.items() if value and not (new and path == str(root))]
    if any(log.started - time_ns / 1e9 < _tick(time_ns) for time_ns in times):
        return False
    default = _default(repository) if request.all_pipelines else list(plan.decisions)
    needed = workflow.ancestors(default or ()) & set(plan.decisions)
    shown = {address: list(workflow.stages[address].settings.show) for address in plan.decisions}
    answer = {
        **circumstances(),
        "paths": signatures,
        "folder": repository.below,
        "complete": set(plan.decisions) == set(workflow.stages),
        "default": default,
        # The number of stages, if `run` has nothing to print but that they are up to date.
        "plain": 0 if any(shown[address] for address in needed) else len(needed),
        "labels": dict(plan.labels),
        "upstream": {address: list(workflow.upstream[address]) for address in plan.decisions},
        "show": shown,
        "drift": {a: [r.was, r.now] for a, d in plan.decisions.items() for r in d.reasons},
        "certain": environments is None or environments.certain,
    }
    try:
        _write(folder / "settled.json", answer)
    except OSError:
        return False  # in a read-only repository every plan is made in full
    return True


def _default(repository: Repository) -> list[str] | None:
    """Return the stages that a command takes without targets, if any."""
    from statewright.repository.scope import select

    try:
        return list(select(repository, Request()).order)
    except WorkflowError:
        return None


def _tick(time_ns: int) -> float:
    """Return the time between two changes that certainly get different time stamps.

    A time in whole seconds is that of a coarse clock.
    """
    return COARSE_TICK_S if time_ns % 1_000_000_000 == 0 else TICK_S


def _is_usual(request: Request) -> bool:
    """Return whether a request names stages or none, and forces none."""
    return not request.force and request.with_ancestors


def recall(directory: Path, wanted: Request | Sequence[str] = ()) -> SettledPlan | None:
    """Return the stored plan if it is valid for the request, else None.

    Parameters
    ----------
    wanted : Request or sequence of str
        Stages to take, see `as_request`.
    """
    request = as_request(wanted)
    if not _is_usual(request):
        return None
    start = Path(os.path.realpath(directory))
    if (folder := find_root(str(start))) is None or (request.targets and folder != str(start)):
        return None
    root = Path(folder)
    try:
        if (answer := read_answer(folder)) is None:
            return None
        upstream = {address: tuple(ups) for address, ups in answer["upstream"].items()}
        stages = {a: Stage(a, (), meta={"show": answer["show"].get(a, [])}) for a in upstream}
        if request.all_pipelines:
            chosen = list(stages) if answer["complete"] else None
        elif request.targets:
            chosen = list(request.targets) if set(request.targets) <= set(stages) else None
        else:
            chosen = answer["default"] if root / answer["folder"] == start else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if chosen is None:
        return None
    workflow = Workflow(stages, upstream)
    needed = workflow.ancestors(chosen)
    plan = Plan({a: Decision(a, SKIP, _notes(a, answer["drift"])) for a in stages if a in needed})
    plan = replace(plan, labels=answer["labels"])
    settled = SettledPlan(root, workflow, plan, request.targets, bool(answer["certain"]))
    return None if request.strict_environment and not settled.strict else settled


def has_unpushed(directory: Path) -> bool:
    """Return whether an earlier run could not push all of its results."""
    folder = find_root(os.path.realpath(directory))
    return folder is not None and (Path(folder) / ".statewright" / UNPUSHED).exists()


def _notes(address: str, drift: Mapping[str, Sequence[str]]) -> tuple[Reason, ...]:
    return (Reason("environment", address, *drift[address]),) if address in drift else ()


def _write(path: Path, answer: dict[str, Any]) -> None:
    from statewright.files import replacing
    from statewright.workspace import control_folder

    control_folder(path.parent)
    root = str(path.parents[1])
    if root in answer["paths"]:
        answer["paths"][root] = signature(root)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(answer, default=str), encoding="utf-8")


def _relevant(paths: Iterable[str], root: Path) -> set[str]:
    """Return the paths that a user can change and that change the plan.

    Files of the Python installation, of git and of DVC's own folders are left out.
    """
    installed = {f"{Path(path).resolve()}/" for path in (sys.prefix, sys.base_prefix)}
    programs = tuple(installed | {f"{path}/" for path in sysconfig.get_paths().values()})
    # A repository can be inside a folder of programs (/usr/src), and an environment inside it.
    inner = tuple(folder for folder in programs if folder.startswith(f"{root}/"))
    own = (*inner, *(f"{root / name}/" for name in (".git", ".dvc/tmp", ".dvc/cache", ".statewright")))
    others = (*programs, "/proc/", "/dev/", "/sys/", "/var/tmp/dvc/", "/var/cache/dvc/")
    git = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    ignored = {str(git / ".git" / "info" / "exclude"), *(str(p / ".gitignore") for p in (root, git))}
    return ignored | {
        path
        for path in paths
        if not f"{path}/".startswith(own if f"{path}/".startswith(f"{root}/") else others)
    }


def _below(path: str) -> Iterator[str]:
    """Yield a path and all paths below it."""
    yield path
    yield from (str(inner) for inner in Path(path).rglob("*"))


def _cache_paths(item: Any) -> Iterator[str]:
    """Yield the cache paths of an output, and of its files if it is a folder."""
    if item.IS_DEPENDENCY or not (item.use_cache and item.hash_info):
        return
    yield item.cache.oid_to_path(item.hash_info.value)
    if item.hash_info.isdir and (tree := item.get_obj()) is not None:
        yield from (item.cache.oid_to_path(entry.value) for _, _, entry in tree)
