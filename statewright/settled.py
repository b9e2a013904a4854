"""The short answer to 'is there anything to do?': no, if nothing has been touched since the last look.

A look at a repository opens DVC, resolves templates, parses lock files and asks after every file;
its answer depends on what was opened, which folders were listed, and what lies under the paths of the
stages. When the answer was that all stages are up to date, the signatures (inode, size, time) of
all that are kept. As long as they are the same, so is the answer. Whatever differs, a proper look
is taken, so this file may forget, but must not remember wrongly: what changed while the look was
taken, or so shortly before that a clock tick could hide a second change, is not remembered.
DVC trusts the same three numbers instead of hashing a file again.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statewright.plan import SKIP, Decision, Plan
from statewright.workflow import Stage, Workflow

if TYPE_CHECKING:
    from statewright.repository.declaration import Repository

TICK_S, COARSE_TICK_S = 0.05, 2.0
"""No clock of a file system is coarser: of those that keep fractions of a second, and of the others."""
FORM = 1
Signature = list[int] | None


@dataclass
class Watch:
    """What a look has opened and listed so far."""

    started: float = field(default_factory=time.time)
    paths: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Glance:
    """What a glance tells of stages that are all up to date: no more than addresses and edges."""

    root: Path
    workflow: Workflow
    plan: Plan
    targets: tuple[str, ...] = ()


_watching: list[Watch] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event in ("open", "os.scandir", "os.listdir"):
        path = arguments[0]
        if isinstance(path, str | os.PathLike):
            text = os.fspath(path)
            if isinstance(text, str):
                _watching[-1].paths.add(str(Path(text).absolute()))


@contextmanager
def watching() -> Iterator[Watch]:
    """Note every file that this process opens, and every folder that it lists, inside the block."""
    if not getattr(sys, "_statewright_hears", False):
        sys.addaudithook(_hear)
        sys._statewright_hears = True  # type: ignore[attr-defined]
    _watching.append(watch := Watch())
    try:
        yield watch
    finally:
        _watching.pop()


def remember(watch: Watch, repository: Repository, workflow: Workflow, plan: Plan) -> bool:
    """Keep the answer of a look, if it was that everything is up to date; whether it was kept."""
    settled = set(plan.decisions) == set(workflow.stages) and not any(
        decision.verdict != SKIP or decision.reasons for decision in plan.decisions.values()
    )
    if not settled:
        return False
    root = repository.root
    paths = _of_use(watch.paths, root)
    for stage in repository.stages.values():
        declared = Path(stage.path)
        paths |= {str(Path(folder, "params.yaml")) for folder in (stage.wdir, declared.parent)}
        paths.add(str(declared.with_suffix(".lock")))
        for item in (*stage.deps, *stage.outs):
            if item.fs_path and item.protocol == "local" and not hasattr(item, "def_repo"):
                paths.update(_below(item.fs_path))
            paths.update(_kept(item))
    paths |= {str(root / ".dvc" / name) for name in ("config", "config.local")}
    folder = root / ".statewright"
    new = not folder.exists()
    signatures = {path: signature(path) for path in paths}
    # The folder that is made here changes the time of the one in which it lies.
    times = [found[2] for path, found in signatures.items() if found and not (new and path == str(root))]
    if any(watch.started - time_ns / 1e9 < _tick(time_ns) for time_ns in times):
        return False
    answer = {
        **_circumstances(),
        "paths": signatures,
        "upstream": {address: list(ups) for address, ups in workflow.upstream.items()},
        "show": {a: list(s.meta["show"]) for a, s in workflow.stages.items() if s.meta.get("show")},
    }
    try:
        _write(folder / "settled.json", answer)
    except OSError:
        return False  # a read-only repository is looked at each time
    return True


def _tick(time_ns: int) -> float:
    """How far apart two changes must be to have two times; whole seconds are a coarse clock's."""
    return COARSE_TICK_S if time_ns % 1_000_000_000 == 0 else TICK_S


def glance(directory: Path, addresses: Sequence[str] = ()) -> Glance | None:
    """The plan for some stages (all, if none is named), if all are known to be up to date.

    None means that a proper look has to be taken.
    """
    start = Path(os.path.realpath(directory))
    root = next((folder for folder in (start, *start.parents) if (folder / ".dvc").is_dir()), None)
    if root is None or (addresses and root != start):
        return None
    try:
        answer = json.loads((root / ".statewright" / "settled.json").read_text(encoding="utf-8"))
        same = all(answer[key] == value for key, value in _circumstances().items())
        if not same or any(signature(path) != kept for path, kept in answer["paths"].items()):
            return None
        upstream = {address: tuple(ups) for address, ups in answer["upstream"].items()}
        stages = {a: Stage(a, (), meta={"show": answer["show"].get(a, [])}) for a in upstream}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if not set(addresses) <= set(stages):
        return None
    workflow = Workflow(stages, upstream)
    wanted = workflow.ancestors(addresses) if addresses else set(stages)
    plan = Plan({address: Decision(address, SKIP) for address in stages if address in wanted})
    return Glance(root, workflow, plan, tuple(addresses))


def _write(path: Path, answer: dict[str, Any]) -> None:
    from statewright.files import replacing
    from statewright.workspace import control_folder

    control_folder(path.parent)
    root = str(path.parents[1])
    if root in answer["paths"]:
        answer["paths"][root] = signature(root)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(answer, default=str), encoding="utf-8")


def signature(path: str) -> Signature:
    """Inode, size, time of the last change and mode of what lies there; None if nothing does."""
    try:
        found = os.stat(path)  # noqa: PTH116 -- thousands of them, and a Path takes as long as the stat
    except OSError:
        return None
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode]


def _circumstances() -> dict[str, Any]:
    """What else the answer depends on: versions, and settings from the environment."""
    names = ("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "GIT_CONFIG_GLOBAL", "GIT_DIR")
    return {
        "form": FORM,
        "python": sys.version,
        "packages": signature(sysconfig.get_path("purelib")),
        "engine": _engine(),
        "environment": {
            name: value
            for name, value in sorted(os.environ.items())
            if name in names or (name.startswith("DVC_") and name != "DVC_NO_ANALYTICS")
        },
    }


def _engine() -> list[Signature]:
    return [signature(str(path)) for path in sorted(Path(__file__).parent.rglob("*.py"))]


def _of_use(paths: Iterable[str], root: Path) -> set[str]:
    """Of what was opened and listed, that which a person could change and DVC would heed."""
    installed = {f"{Path(path).resolve()}/" for path in (sys.prefix, sys.base_prefix)}
    programs = tuple(installed | {f"{path}/" for path in sysconfig.get_paths().values()})
    # A repository may lie where programs lie (/usr/src), and an environment in the repository.
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
    """A path, and all that lies below it."""
    yield path
    yield from (str(found) for found in Path(path).rglob("*"))


def _kept(item: Any) -> Iterator[str]:
    """Where the cache holds an output, and what is in it."""
    if item.IS_DEPENDENCY or not (item.use_cache and item.hash_info):
        return
    yield item.cache.oid_to_path(item.hash_info.value)
    if item.hash_info.isdir and (tree := item.get_obj()) is not None:
        yield from (item.cache.oid_to_path(entry.value) for _, _, entry in tree)
