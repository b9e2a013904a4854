"""Settings of a repository.

They stand in `.statewright.toml`, or in `pyproject.toml` under `[tool.statewright]`.

Options on the command line win over the file, the file over the defaults.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from statewright.workflow import WorkflowError

OWN_FILE, SHARED_FILE = ".statewright.toml", "pyproject.toml"


def _setting(default: Any, expected: str, accepts: Callable[[Any], bool], meaning: str) -> Any:
    metadata = {"expected": expected, "accepts": accepts, "meaning": meaning}
    return field(default=default, metadata=metadata)


def _is_workers(value: Any) -> bool:
    return value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1)


def _is_folder(value: Any) -> bool:
    return isinstance(value, str) and value != "" and not Path(value).is_absolute() and ".." not in value


@dataclass(frozen=True)
class Configuration:
    """Effective settings of a repository.

    Parameters
    ----------
    sources : mapping of str to str
        Setting -> file that sets it. A setting that is absent has its default.
    """

    workers: int | str = _setting(
        "auto",
        "'auto' or a whole number of 1 or more",
        _is_workers,
        "cores that stages share; auto runs a stage alone, in DVC's order, until its reads are known",
    )
    watch: bool = _setting(
        True,
        "true or false",
        lambda value: isinstance(value, bool),
        "observe which files stages read, to find undeclared dependencies",
    )
    prefect: str = _setting(
        "auto",
        "'auto', 'always' or 'never'",
        lambda value: value in ("auto", "always", "never"),
        "show runs in Prefect: if there is a server, always (else with a temporary server), or never",
    )
    store: str = _setting(
        ".statewright/mlflow",
        "a folder below the repository",
        _is_folder,
        "folder of the MLflow store, if MLFLOW_TRACKING_URI is not set",
    )
    experiment: str = _setting(
        "",
        "a name, or an empty text",
        lambda value: isinstance(value, str),
        "MLflow experiment of all runs, if MLFLOW_EXPERIMENT_NAME is not set; empty: one a pipeline",
    )
    pull: bool = _setting(
        False,
        "true or false",
        lambda value: isinstance(value, bool),
        "fetch missing data and earlier results from the DVC remote, as --pull",
    )
    push: bool = _setting(
        False,
        "true or false",
        lambda value: isinstance(value, bool),
        "send results to the DVC remote as stages finish, as --push",
    )
    sources: Mapping[str, str] = field(default_factory=dict)


def settings() -> list[tuple[str, str]]:
    """Return name and meaning of each setting."""
    return [(f.name, f.metadata["meaning"]) for f in fields(Configuration) if f.name != "sources"]


def read_configuration(root: Path) -> Configuration:
    """Read the settings of the repository at `root`.

    If both files have settings, `.statewright.toml` is read and the other is an error.

    Raises
    ------
    WorkflowError
        If a file is not valid TOML, or a key or value is unknown; the message names file, key and what
        is expected.
    """
    own, shared = _read(root / OWN_FILE), _read(root / SHARED_FILE)
    table = shared.get("tool", {}).get("statewright", {}) if isinstance(shared.get("tool"), dict) else {}
    if own and table:
        raise WorkflowError(
            f"{OWN_FILE} and [tool.statewright] in {SHARED_FILE} both hold settings; keep one of them"
        )
    file, values = (OWN_FILE, own) if own else (f"{SHARED_FILE} [tool.statewright]", table)
    known = {f.name: f.metadata for f in fields(Configuration) if f.name != "sources"}
    for key, value in values.items():
        if key not in known:
            raise WorkflowError(f"{file}: unknown setting '{key}'; expected one of {', '.join(known)}")
        if not known[key]["accepts"](value):
            raise WorkflowError(f"{file}: {key} is {value!r}; expected {known[key]['expected']}")
    return Configuration(**values, sources=dict.fromkeys(values, file))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # A broken pyproject.toml without our table is not ours to report.
        if path.name == SHARED_FILE and "tool.statewright" not in path.read_text(
            encoding="utf-8", errors="replace"
        ):
            return {}
        raise WorkflowError(f"{path.name}: not valid TOML: {error}") from error
