"""Open the MLflow experiment of a repository, and create it if it is new."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statewright.configuration import read_configuration
from statewright.environment import set_default
from statewright.git import git
from statewright.masking import mask_arguments, mask_command, mask_text
from statewright.record.parents import ParentRecord
from statewright.record.relocation import ARTIFACTS, relocate_artifacts
from statewright.record.store import (
    DATABASE,
    answers,
    database_lock,
    database_path,
    store_folder,
    tracking_uri,
)
from statewright.workspace import control_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient


TEMPORARY = frozenset(
    {
        "INTERNAL_ERROR",
        "PERMISSION_DENIED",
        "REQUEST_LIMIT_EXCEEDED",
        "TEMPORARILY_UNAVAILABLE",
        "UNAUTHENTICATED",
    }
)
"""MLflow's codes of errors that do not depend on what is written."""

PASSING = frozenset({"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE"})
"""Those of them that a restart of a server's database causes."""

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Tag of an experiment that MLflow's page opens at its runs, and not at the traces of language models."""


@dataclass(frozen=True)
class KnownRun:
    """Run of MLflow that an earlier reading of a journal has created."""

    run_id: str
    ended: bool


@dataclass
class Record:
    """Open MLflow experiment, and the parent run if there is one.

    Parameters
    ----------
    context : mapping of str to str
        Tags of each run.
    known : mapping of str to KnownRun
        Runs of the current journal that exist, by id of the record.
    models : dict of str to str, optional
        Hash -> id of the models in the experiment; read when a stage needs it.
    stages : list of StageRecord
        The stages that were recorded since the parent run was opened.
    """

    client: MlflowClient
    experiment_id: str
    root: Path
    context: Mapping[str, str] = field(default_factory=dict)
    parent_id: str | None = None
    parent: ParentRecord | None = None
    known: Mapping[str, KnownRun] = field(default_factory=dict)
    models: dict[str, str] | None = None
    stages: list[Any] = field(default_factory=list)


def open_record(
    root: Path,
    command: str = "",
    experiment: str = "",
    *,
    uri: str = "",
    context: Mapping[str, str] | None = None,
) -> Record:
    """Open the experiment; create it and its database if they do not exist.

    Processes of several repositories can call this at once: see `database_lock`.

    Parameters
    ----------
    command : str
        Command line to record (default: that of the process).
    experiment : str
        Name of the experiment (default: that of the repository, see `experiment_name`).
    uri : str
        The store (default: see `store.py`).
    context : mapping of str to str, optional
        Tags of each run (default: see `context_tags`).

    Raises
    ------
    ConnectionError
        If the store is a server that does not answer.
    """
    uri = uri or tracking_uri(root)
    if not answers(uri):
        raise ConnectionError(
            f"{uri} does not answer; start a server with `statewright ui`, or unset MLFLOW_TRACKING_URI"
        )
    path, location = database_path(uri), None
    if path is not None:
        location = (control_folder(store_folder(root)) / ARTIFACTS).as_uri()
    with database_lock(uri):
        if path is not None:
            if path == store_folder(root) / DATABASE:
                relocate_artifacts(root)
            _create_database(path)
        client = connect(uri)
        experiment_id = _experiment(client, experiment or experiment_name(root), location)
    return Record(client, experiment_id, root, context_tags(root, command) if context is None else context)


def _create_database(path: Path) -> None:
    """Create a SQLite database of MLflow, unless it exists.

    It gets its name when it is complete: MLflow creates the tables in dozens of steps, and cannot use a
    database whose creation was killed.
    """
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    connect(f"sqlite:///{temporary}")
    if not path.exists():  # the user's own MLflow may have created it meanwhile
        temporary.rename(path)
    temporary.unlink(missing_ok=True)


def experiment_name(root: Path, pipeline: str = "") -> str:
    """Return the name of a pipeline's experiment.

    It is `MLFLOW_EXPERIMENT_NAME`, else the setting `experiment`, else ``FOLDER/PIPELINE``, or ``FOLDER``
    for the repository's own pipeline.
    """
    fixed = os.environ.get("MLFLOW_EXPERIMENT_NAME") or read_configuration(root).experiment
    return fixed or "/".join(filter(None, (root.name, pipeline)))


def experiment_ids(client: MlflowClient, root: Path) -> list[str]:
    """Return the ids of the experiments of a repository and its pipelines."""
    name = experiment_name(root)
    own = client.get_experiment_by_name(name)
    quote = '"' if "'" in name else "'"
    alike = client.search_experiments(filter_string=f"name LIKE {quote}{name}/%{quote}")
    # "_" and "%" in the name stand for other characters, too.
    others = [experiment for experiment in alike if experiment.name.startswith(f"{name}/")]
    return [str(e.experiment_id) for e in (*([own] if own else []), *others)]


def _experiment(client: MlflowClient, name: str, location: str | None) -> str:
    """Return the id of an experiment, which is created if it does not exist."""
    from mlflow.exceptions import MlflowException

    existing = client.get_experiment_by_name(name)
    if existing is None:
        try:
            return str(client.create_experiment(name, artifact_location=location, tags=KIND))
        except MlflowException:  # a process of another machine may have created it meanwhile
            existing = client.get_experiment_by_name(name)
            if existing is None:
                raise
    for key, value in KIND.items():
        if key not in existing.tags:  # an earlier release, or the user, has created it
            client.set_experiment_tag(existing.experiment_id, key, value)
    return str(existing.experiment_id)


def connect(uri: str) -> MlflowClient:
    """Return MLflow's client of a store.

    Its limits are short, so that a server that does not answer is reported soon.
    """
    set_default("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    set_default("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    # MLflow 3 refuses a folder of files (mlruns/), but the user has named one and has runs in it.
    set_default("MLFLOW_ALLOW_FILE_STORE", "true")
    import mlflow

    if not hasattr(mlflow, "__version__"):
        raise ImportError("the library mlflow is not installed; the folder mlflow/ was imported in its place")
    return mlflow.MlflowClient(tracking_uri=uri)


def is_temporary(error: Exception) -> bool:
    """Return whether writing may succeed later: the store is down, closed or full."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return error.error_code in TEMPORARY
    return isinstance(error, OSError) and not isinstance(error, FileNotFoundError)


def is_passing(error: Exception, uri: str) -> bool:
    """Return whether an error of a server may be over within a minute."""
    from mlflow.exceptions import MlflowException

    server = database_path(uri) is None
    return server and isinstance(error, MlflowException) and error.error_code in PASSING


def context_tags(root: Path, command: str = "") -> dict[str, str]:
    """Return tags: user, command line, and the state of git.

    Parameters
    ----------
    command : str
        Command line (default: that of the process).
    """
    tags = {
        "statewright.command": mask_command(command or mask_arguments(sys.argv))[:500],
        "mlflow.source.name": root.name,
        "mlflow.source.type": "LOCAL",
    }
    with suppress(KeyError, OSError):  # a user id without a name, as in some containers
        tags["mlflow.user"] = getuser()
    if address := web_address(git(root, "config", "--get", "remote.origin.url").strip()):
        tags |= {"mlflow.source.git.repoURL": address}
        if address.startswith("http"):  # MLflow's page then shows a link to the commit
            tags |= {"mlflow.source.name": address, "mlflow.source.type": "PROJECT"}
    commit, _, branch = git(root, "rev-parse", "HEAD", "--abbrev-ref", "HEAD").strip().partition("\n")
    if commit:
        tags["mlflow.source.git.commit"] = commit
        if branch != "HEAD":
            tags["mlflow.source.git.branch"] = branch
        # A run itself writes these files: their changes are not changes of code or params.
        written = [f":(exclude,glob)**/{name}" for name in ("dvc.lock", ".gitignore")]
        changes = git(root, "status", "--porcelain", "-uno", "--", *written)
        tags["statewright.git.dirty"] = str(bool(changes)).lower()
    return tags


def web_address(remote: str) -> str:
    """Return the address of a git remote for a browser, without secrets.

    ``git@host:owner/name.git`` and ``ssh://git@host/owner/name`` become ``https://host/owner/name``.
    """
    if match := re.fullmatch(r"(?:ssh://)?git@([^:/]+)(?::\d+/|[:/])(.+?)(?:\.git)?/?", remote):
        return f"https://{match[1]}/{match[2]}"
    if remote.startswith("http"):
        # A user name is a part of the secret for some servers.
        return re.sub(r"^(https?://)[^/]*@", r"\1", remote).removesuffix("/").removesuffix(".git")
    return mask_text(remote)
