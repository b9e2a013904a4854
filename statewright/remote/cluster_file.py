"""Read the description of a cluster from a YAML file.

::

    kind: slurm
    workers: 8
    cpu: 4
    ram_gb: 16
    queue: normal
    walltime: 2h
    prepare: [module load python/3.11]

`docs/reference/cluster.md` describes the keys. Every fault names the file and the line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from statewright.meta import interpret
from statewright.workflow import WorkflowError
from statewright.yaml_lines import line_of, load_mapping, plain

JOB_KINDS = ("slurm", "pbs", "sge")
STARTED_KINDS = ("local", *JOB_KINDS, "kubernetes")
"""Kinds whose workers Statewright starts."""
KINDS = ("local", "address", *JOB_KINDS, "kubernetes")

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SCHEMES = ("tcp", "tls")


def _as_in_meta(key: str) -> BeforeValidator:
    """Return a validator that reads a value as `meta:` does, such as ``16Gi``."""

    def read(value: Any) -> Any:
        settings = interpret({key: value})
        if settings.ignored:
            raise ValueError(settings.ignored[0].partition("; ")[2])
        return getattr(settings, key)

    return BeforeValidator(read)


def _one_line(text: str) -> str:
    """Return a text that is a line of a job script, which a line break would end."""
    if "\n" in text or "\r" in text or not text.strip():
        raise ValueError("expected one line of text")
    return text


def _word(text: str) -> str:
    if not re.fullmatch(r"[^\s#]+", text):
        raise ValueError("expected a name without spaces")
    return text


def _label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError("expected a name of Kubernetes: a-z, 0-9 and hyphens")
    return text


def check_address(text: str) -> str:
    """Return the address of a scheduler.

    Raises
    ------
    ValueError
        If it is not ``tcp://HOST:PORT`` or ``tls://HOST:PORT``.
    """
    scheme, _, place = text.partition("://")
    host, _, port = place.rpartition(":")
    if scheme not in _SCHEMES or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("expected tcp://HOST:PORT or tls://HOST:PORT")
    return text


Line = Annotated[str, AfterValidator(_one_line)]
Word = Annotated[str, AfterValidator(_word)]
Label = Annotated[str, AfterValidator(_label)]


def _key(default: Any, meaning: str, kinds: tuple[str, ...] = STARTED_KINDS, **limits: Any) -> Any:
    """Return a field that only some kinds of cluster have."""
    return Field(default, description=meaning, json_schema_extra={"kinds": list(kinds)}, **limits)


class Adaptive(BaseModel):
    """Bounds of a number of workers that follows the number of waiting stages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum: int = Field(1, ge=1, description="smallest number of workers")
    maximum: int = Field(ge=1, description="largest number of workers")


class Cluster(BaseModel):
    """Description of a cluster; a key that is not set has the default of its field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["local", "address", "slurm", "pbs", "sge", "kubernetes"] = Field(
        description="what starts the workers: this machine, nobody (they run already), or a queue"
    )
    address: Annotated[str, AfterValidator(check_address)] | None = _key(
        None, "address of the scheduler that runs already", ("address",)
    )
    workers: int | None = _key(None, "number of workers; default: that of `--workers`", ge=1)
    adaptive: Adaptive | None = _key(
        None, "`{minimum: N, maximum: N}` instead of `workers`: as many as there are waiting stages"
    )
    cpu: Annotated[float | None, _as_in_meta("cpu")] = _key(
        None, "cores of one worker; default: 1, or of `local` an equal share of this machine"
    )
    ram_gb: Annotated[float | None, _as_in_meta("ram_gb")] = _key(
        None, "GiB of memory of one worker; default: 2, or of `local` an equal share of this machine"
    )
    gpu: Annotated[float, _as_in_meta("gpu")] = _key(0, "GPUs of one worker")
    folder: Line | None = _key(
        None, "folder of the workers' scratch data, on their machine", ("local", *JOB_KINDS)
    )
    walltime: Annotated[float | None, _as_in_meta("timeout_s")] = _key(
        None, "longest life of one worker; default: that of the queue", JOB_KINDS
    )
    queue: Word | None = _key(None, "queue, partition or class of the jobs", JOB_KINDS)
    account: Word | None = _key(None, "account, project or allocation of the jobs", JOB_KINDS)
    directives: tuple[Line, ...] = _key((), "further lines for the head of the job script", JOB_KINDS)
    prepare: tuple[Line, ...] = _key((), "lines of shell that run before the worker starts", JOB_KINDS)
    python: Line | None = _key(None, "Python of the workers; default: the one that runs this", JOB_KINDS)
    interface: Word | None = _key(None, "network interface of scheduler and workers", JOB_KINDS)
    image: Word | None = _key(None, "container image, with a tag or a digest", ("kubernetes",))
    namespace: Label = _key("default", "namespace of the pods", ("kubernetes",))
    secrets: tuple[Label, ...] = _key(
        (), "Secrets whose entries become environment variables of the workers", ("kubernetes",)
    )
    user: int = _key(1000, "user id of the containers, not that of root", ("kubernetes",), ge=1)
    security: Literal["temporary", "files", "none"] | None = _key(
        None,
        "TLS between scheduler and workers: certificates made for this run, the files below, or none",
        ("local", *JOB_KINDS),
    )
    tls_ca: Line | None = _key(None, "file with the certificate authority", ("local", "address", *JOB_KINDS))
    tls_cert: Line | None = _key(None, "file with our certificate", ("local", "address", *JOB_KINDS))
    tls_key: Line | None = _key(None, "file with our private key", ("local", "address", *JOB_KINDS))
    wait: Annotated[float, _as_in_meta("timeout_s")] = _key(
        600, "longest time to wait for the first worker", KINDS
    )
    allow: tuple[Literal["packages", "python", "platform", "statewright", "dvc"], ...] = _key(
        (), "parts of the environment in which a worker may differ", KINDS
    )


def read_cluster(path: Path, shown: str) -> Cluster:
    """Read the description of a cluster.

    Parameters
    ----------
    shown : str
        The file as messages name it.

    Raises
    ------
    WorkflowError
        If the file is missing or not valid YAML, or a key or value is wrong; with the line.
    """
    declared = load_mapping(
        path,
        shown,
        option="--on dask=FILE:",
        content="keys",
        example="expected lines such as `kind: local` and `workers: 2`",
    )
    values = plain(declared)
    try:
        cluster = Cluster(**values)
    except ValidationError as error:
        # An unknown key first: with a misspelt key, another one is missing.
        details = min(error.errors(), key=lambda details: details["type"] != "extra_forbidden")
        line = line_of(declared, details["loc"])
        raise WorkflowError(f"{shown}, line {line}: {_sentence(details)}") from error
    for key in values:
        if problem := _unsuitable(cluster, key):
            raise WorkflowError(f"{shown}, line {line_of(declared, (key,))}: {problem}")
    if problem := _incomplete(cluster):
        raise WorkflowError(f"{shown}: {problem}")
    return cluster


def _sentence(details: ErrorDetails) -> str:
    """Return the sentence for an error of pydantic: key, value and what is expected."""
    *parents, name = [str(step) for step in details["loc"]]
    key = ".".join([*parents, name])
    if details["type"] == "extra_forbidden":
        names = list(Adaptive.model_fields if parents else Cluster.model_fields)
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"expected one of {', '.join(names)}"
        return f"unknown key '{key}'; {hint}"
    if details["type"] == "missing":
        expected = f"one of {', '.join(KINDS)}" if name == "kind" else "a value"
        return f"the key '{key}' is missing; expected {expected}"
    expected = details["msg"].removeprefix("Value error, ")
    return f"{key} is {details['input']!r}; {expected[:1].lower()}{expected[1:]}"


def _unsuitable(cluster: Cluster, key: str) -> str:
    """Return why a key does not belong to a cluster of this kind; empty if it does."""
    extra = Cluster.model_fields[key].json_schema_extra
    kinds = extra["kinds"] if isinstance(extra, dict) else list(KINDS)
    if isinstance(kinds, list) and cluster.kind not in kinds:
        return f"'{key}' is a key of {', '.join(map(str, kinds))}, not of {cluster.kind}; remove the line"
    return ""


def _incomplete(cluster: Cluster) -> str:
    """Return which keys are missing or contradict each other; empty if none."""
    if cluster.kind == "address" and not cluster.address:
        return "kind: address needs the key 'address', such as tcp://host:8786"
    if cluster.kind == "kubernetes" and not cluster.image:
        return "kind: kubernetes needs the key 'image', such as registry.example.org/team/image:1.2"
    if cluster.kind == "kubernetes" and not _is_pinned(cluster.image or ""):
        return f"image {cluster.image} can change; expected a tag other than latest, or a digest @sha256:..."
    if cluster.workers and cluster.adaptive:
        return "'workers' and 'adaptive' are both set; keep one of them"
    if cluster.adaptive and cluster.adaptive.minimum > cluster.adaptive.maximum:
        return "adaptive.minimum is larger than adaptive.maximum"
    files = (cluster.tls_ca, cluster.tls_cert, cluster.tls_key)
    if any(files) and not all(files):
        return "tls_ca, tls_cert and tls_key are needed together"
    if cluster.security == "files" and not all(files):
        return "security: files needs the keys tls_ca, tls_cert and tls_key"
    return ""


def _is_pinned(image: str) -> bool:
    """Return whether an image has a digest, or a tag that is not ``latest``."""
    name = image.rpartition("/")[2]
    return "@sha256:" in image or (":" in name and not name.endswith((":latest", ":")))


def description_of(field: str) -> tuple[str, list[str]]:
    """Return the meaning of a key, and the kinds of cluster that have it."""
    info = Cluster.model_fields[field]
    extra: Mapping[str, Any] = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    return info.description or "", list(extra.get("kinds", KINDS))
