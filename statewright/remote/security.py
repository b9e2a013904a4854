"""Protect the connections of a cluster with TLS, and warn where there is none."""

from __future__ import annotations

import ipaddress
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from statewright.remote.cluster_file import JOB_KINDS, Cluster
from statewright.workflow import WorkflowError


def security_of(cluster: Cluster) -> Any:
    """Return Dask's security.

    It has the files of the description, certificates made now, or what Dask's own settings say.

    Raises
    ------
    WorkflowError
        If a file of the description does not exist.
    """
    from distributed.security import Security

    if cluster.security == "temporary":
        return Security.temporary()
    if cluster.security == "none":
        return Security(require_encryption=False)
    if not cluster.tls_ca:
        return Security()  # files in Dask's configuration, if it names some
    for name in ("tls_ca", "tls_cert", "tls_key"):
        if not Path(getattr(cluster, name)).is_file():
            raise WorkflowError(
                f"{name} is {getattr(cluster, name)}: the file does not exist; expected a PEM file"
            )
    return _of_files(cluster.tls_ca, cluster.tls_cert, cluster.tls_key)


@contextmanager
def shared_security(cluster: Cluster, folder: Path) -> Iterator[Any]:
    """Yield Dask's security for workers that share a folder with this machine.

    Unless the description says otherwise, it has new certificates: in `folder` until the end of the block,
    and readable by their owner only.
    """
    from distributed.security import Security

    if cluster.security not in (None, "temporary") or cluster.tls_ca:
        yield security_of(cluster)
        return
    made = Security.temporary()
    with tempfile.TemporaryDirectory(dir=folder, prefix="tls-") as scratch:
        texts = {"ca": made.tls_ca_file, "cert": made.tls_worker_cert, "key": made.tls_worker_key}
        for name, text in texts.items():
            path = Path(scratch, f"{name}.pem")
            path.touch(mode=0o600)
            path.write_text(text)
        yield _of_files(*(str(Path(scratch, f"{name}.pem")) for name in texts))


def _of_files(ca: str | None, cert: str | None, key: str | None) -> Any:
    from distributed.security import Security

    pair = {"cert": cert, "key": key}
    names = ("client", "scheduler", "worker")
    roles = {f"tls_{name}_{part}": file for name in names for part, file in pair.items()}
    return Security(require_encryption=True, tls_ca_file=ca, **roles)


def warnings_of(cluster: Cluster) -> list[str]:
    """Return sentences about a cluster that other machines can misuse."""
    address = cluster.address or ""
    if address.startswith("tcp://") and not is_loopback(address):
        return [
            f"warning: {address} has no TLS: every machine that reaches this scheduler can run code on its "
            "workers; use tls:// and certificates"
        ]
    if cluster.kind in JOB_KINDS and cluster.security == "none":
        return [
            "warning: security is none: every machine that reaches the scheduler can run code as you; "
            "remove the line `security: none`"
        ]
    return []


def is_loopback(address: str) -> bool:
    """Return whether an address such as ``tcp://127.0.0.1:8786`` is on this machine."""
    host = address.partition("://")[2].rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
