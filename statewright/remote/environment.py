"""Compare the environment of workers with that of the coordinator.

A lock file travels with the checkout, so its hash is the same everywhere and says nothing about what is
installed. The names in it say which packages matter: `fingerprint` is their installed versions, with those
of Python, Statewright and DVC, and the platform. It is made by the same function on both sides.
"""

from __future__ import annotations

import platform
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statewright.terminal.words import counted
from statewright.workflow import WorkflowError

if TYPE_CHECKING:
    from distributed import Client

LOCK_FILES = ("uv.lock", "poetry.lock", "requirements.lock", "requirements.txt", "conda-lock.yml")
"""Lock files at the root of a repository; the first that exists is used."""
PARTS = ("packages", "python", "platform", "statewright", "dvc")
"""Parts of a fingerprint; `allow` in the description of a cluster takes these names."""
TOPIC = "statewright-environment"
"""Topic of Dask's events on which a refused worker says why."""
PACKAGE = "package "
"""Start of the keys of packages in a fingerprint."""
SHOWN = 5
ABSENT = "not installed"

_REQUIREMENT = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^]]*\])?\s*==", re.MULTILINE)
_CONDA = re.compile(r"^\s*-?\s*name:\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*$", re.MULTILINE)


def packages_of(root: Path) -> list[str]:
    """Return the names of the packages that stages of a repository may use.

    These are the packages in its lock file; without one, all that are installed here.

    Raises
    ------
    WorkflowError
        If the lock file cannot be read.
    """
    for name in LOCK_FILES:
        path = root / name
        if path.is_file():
            try:
                return sorted(_locked(path))
            except (OSError, ValueError) as error:
                raise WorkflowError(f"{name}: not a valid lock file: {error}") from error
    # Setuptools adds its private copies of packages to the path of a process that imports it.
    folders = [folder for folder in sys.path if Path(folder).name != "_vendor"]
    return sorted({_normal(d.name) for d in distributions(path=folders) if d.name})


def _locked(path: Path) -> set[str]:
    text = path.read_text(encoding="utf-8")
    if path.name in ("uv.lock", "poetry.lock"):
        names = [package["name"] for package in tomllib.loads(text).get("package", [])]
    else:
        names = (_CONDA if path.suffix == ".yml" else _REQUIREMENT).findall(text)
    return {_normal(name) for name in names}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def fingerprint(packages: Sequence[str]) -> dict[str, str]:
    """Return the environment of this process: part or ``package NAME`` -> version.

    Importable and of plain data, so that a worker can run it.
    """
    named = {name: _version(name) for name in packages}
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{platform.system()} {platform.machine()}",
        "statewright": _version("statewright"),
        "dvc": _version("dvc"),
        **{f"{PACKAGE}{name}": text for name, text in named.items() if name not in PARTS},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ABSENT


def difference(here: Mapping[str, str], there: Mapping[str, str], allow: Iterable[str] = ()) -> list[str]:
    """Return a text for each part in which a worker differs, unless allowed."""
    allowed = set(allow)
    return [
        f"{key.removeprefix(PACKAGE)} {there.get(key, ABSENT)} instead of {value}"
        for key, value in here.items()
        if there.get(key, ABSENT) != value and ("packages" if key.startswith(PACKAGE) else key) not in allowed
    ]


def check_workers(
    client: Client, packages: Sequence[str], allow: Sequence[str], say: Callable[[str], None]
) -> None:
    """Refuse a cluster with workers whose environment differs from this one.

    Parameters
    ----------
    allow : sequence of str
        Parts of `PARTS` that may differ; each such difference is printed.

    Raises
    ------
    WorkflowError
        If a worker differs; with the differences of each.
    """
    here = fingerprint(packages)
    answers = client.run(fingerprint, packages, on_error="return")
    refused = {}
    for worker, answer in answers.items():
        if differing := _differing(here, answer, allow):
            refused[worker] = differing
        elif allowed := _differing(here, answer, ()):
            say(f"note: worker {worker} has {_listed(allowed)}, which `allow` accepts")
    if refused:
        lines = [f"  {worker}: {_listed(differing)}" for worker, differing in refused.items()]
        raise WorkflowError(
            f"{len(refused)} of {counted(len(answers), 'worker')} have another environment:\n"
            + "\n".join(lines)
            + "\ninstall the same versions there, or name the parts that may differ in the description of "
            f"the cluster, such as `allow: [{_part(refused)}]`"
        )


def check_later_workers(
    client: Client, packages: Sequence[str], allow: Sequence[str], say: Callable[[str], None]
) -> None:
    """Let each worker that starts later check itself before its first stage.

    A worker that differs ends, so this is for a cluster that nobody else uses.
    """
    from statewright.remote.guard import EnvironmentGuard

    client.subscribe_topic(TOPIC, lambda event: say(f"{event[1]}; it is refused"))
    client.register_plugin(EnvironmentGuard(fingerprint(packages), tuple(allow)))


def _differing(here: Mapping[str, str], answer: Any, allow: Iterable[str]) -> list[str]:
    if isinstance(answer, Mapping):
        return difference(here, answer, allow)
    if isinstance(answer, ModuleNotFoundError) and (answer.name or "").startswith("statewright"):
        return [f"statewright {ABSENT} instead of {here['statewright']}"]
    return [f"{type(answer).__name__}: {answer}"]


def _part(refused: Mapping[str, Sequence[str]]) -> str:
    """Return the name of a part in which a worker differs."""
    first = next(iter(refused.values()))[0].partition(" ")[0]
    return first if first in PARTS else "packages"


def _listed(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more
