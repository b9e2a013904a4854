"""Compare metrics with those of the last commit, as ``dvc metrics diff`` does.

DVC's comparison reads the whole declaration of the last commit, which takes as long as a plan. It is
made only if a metric can differ: a metrics file in git has changed, or the hash of one in the cache
does not occur in the `dvc.lock` of the last commit.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statewright.files import replacing
from statewright.git import git

if TYPE_CHECKING:
    from statewright.repository.declaration import Repository
    from statewright.state import State
    from statewright.workflow import Workflow

STORED = "metrics.json"
"""File below `.statewright` with the last comparison."""


@dataclass(frozen=True)
class MetricChange:
    """A metric that differs from the last commit.

    Parameters
    ----------
    old, new : object
        Values as DVC reads them; None if there is none.
    """

    file: str
    key: str
    old: Any
    new: Any


@dataclass(frozen=True)
class MetricChanges:
    """Metrics that differ from the last commit.

    Parameters
    ----------
    commit : str
        Hash of that commit.
    unreadable : tuple of str
        Files whose metrics of that commit cannot be read, for example because the cache lacks them.
    problem : str
        Why DVC could not compare them at all; empty if it could.
    """

    commit: str
    changes: tuple[MetricChange, ...] = ()
    unreadable: tuple[str, ...] = ()
    problem: str = ""


def metric_changes(repository: Repository, workflow: Workflow, state: State) -> MetricChanges | None:
    """Compare the metrics with the last commit; return None if nothing differs.

    The answer is stored, so that :func:`stored_changes` can repeat it while no file changes.
    """
    result = _compare(repository, workflow, state)
    stored = repository.root / ".statewright" / STORED
    with suppress(OSError):
        if result is None:
            stored.unlink(missing_ok=True)
        elif stored.parent.is_dir():
            with replacing(stored) as temporary:
                temporary.write_text(json.dumps(asdict(result), default=str), encoding="utf-8")
    return result


def stored_changes(root: Path) -> MetricChanges | None:
    """Return the last comparison, if it was with the commit that is the last one now."""
    try:
        values = json.loads((root / ".statewright" / STORED).read_text(encoding="utf-8"))
        changes = tuple(MetricChange(**change) for change in values["changes"])
        result = MetricChanges(values["commit"], changes, tuple(values["unreadable"]), values["problem"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return result if git(root, "rev-parse", "HEAD").strip() == result.commit else None


def _compare(repository: Repository, workflow: Workflow, state: State) -> MetricChanges | None:
    root = repository.root
    commit = git(root, "rev-parse", "--verify", "--quiet", "HEAD").strip()
    if not commit or not _can_differ(repository, workflow, state):
        return None
    # Not at the top: a stored comparison is read without DVC.
    from dvc.repo import Repo

    from statewright.repository.errors import explain

    logger = logging.getLogger("dvc")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        # A repository of its own: the comparison switches it to files of the commit and back.
        with Repo(str(root)) as repo:
            result = repo.metrics.diff()
    except Exception as error:  # a comparison must not stop the work that it follows
        return MetricChanges(commit, problem=explain(error) or type(error).__name__)
    finally:
        logger.setLevel(level)
    unreadable = _files(result.get("errors", {}))
    if unreadable:
        # DVC reports a file that is new since the commit as an error, too.
        unreadable &= _existing(root, repository, unreadable)
    changes = tuple(
        MetricChange(file, key, values.get("old"), values.get("new"))
        for file, keys in result.get("diff", {}).items()
        if file not in unreadable
        for key, values in keys.items()
    )
    return MetricChanges(commit, changes, tuple(sorted(unreadable))) if changes or unreadable else None


def _files(errors: Mapping[str, Any]) -> set[str]:
    """Return the files that DVC could not read at one of the revisions."""
    return {str(f) for error in errors.values() if isinstance(error, Mapping) for f in error}


def _existing(root: Path, repository: Repository, files: Iterable[str]) -> set[str]:
    """Return the files that the last commit has in git or in its lock files."""
    paths = re.findall(r"^ *- path: ['\"]?(.+?)['\"]?$", _committed_locks(root, repository), re.MULTILINE)
    endings = tuple(f"/{path}" for path in paths)  # each is relative to the folder of its stage
    in_git = git(root, "ls-tree", "-r", "-z", "--name-only", "HEAD", "--", *files).split("\0")
    return {file for file in files if file in in_git or f"/{file}".endswith(endings)}


def _can_differ(repository: Repository, workflow: Workflow, state: State) -> bool:
    """Return whether a metrics file is another one than in the last commit."""
    root = repository.root
    metrics = [(a, out) for a, s in workflow.stages.items() for out in s.outs if out.role == "metric"]
    cached = [state.stages[a].outs_was.get(out.path) for a, out in metrics if out.cached]
    in_git = [out.path for _, out in metrics if not out.cached] + list(_top_level(repository))
    if in_git and git(root, "status", "--porcelain", "--untracked-files=all", "--", *in_git):
        return True
    if not any(cached):
        return False
    committed = _committed_locks(root, repository)
    return any(value and value not in committed for value in cached)


def _top_level(repository: Repository) -> Iterable[str]:
    """Yield the metrics files that a `dvc.yaml` names outside of its stages."""
    for file, names in repository.repo.index._metrics.items():
        folder = Path(file).parent
        for name in names:
            yield str(folder / name)


def _committed_locks(root: Path, repository: Repository) -> str:
    """Return the texts of all lock files in the last commit."""
    declarations = {Path(s.path) for s in repository.stages.values() if s.path.endswith(".yaml")}
    locks = {path.with_suffix(".lock") for path in declarations}
    names = [path.relative_to(root).as_posix() for path in locks if path.is_relative_to(root)]
    return "".join(git(root, "show", f"HEAD:./{name}") for name in names)
