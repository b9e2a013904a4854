"""Bytes that a run on two workers moves through an S3 remote.

A server of moto on this machine is the store, and counts the bytes of the objects that it takes and gives.
The bound, for the placement that Dask chose: each object goes to the remote once, from where it is; to each
worker once, unless it made it; and each output to the coordinator once.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.engine.repositories import DVC, OURS, check, make_repository, settled
from benchmarks.parts import Tables
from benchmarks.scale._repositories import run
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

SOURCE, PARTS, PART, LAST = 4_000_000, 6, 2_000_000, 1_000_000
WORKERS = 2
BUCKET = "scale"
RAN = re.compile(r"\[statewright: ran on \S+ \((\S+)\)\]")
ACCESS = {
    "AWS_ACCESS_KEY_ID": "scale",
    "AWS_SECRET_ACCESS_KEY": "scale",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@dataclass
class Counted:
    """Bytes of objects that a store took and gave, and the requests."""

    taken: int = 0
    given: int = 0
    requests: int = 0
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def around(self, application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterator[bytes]]:
        """Return a WSGI application that counts."""

        def counting(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
            method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
            is_object = "/files/md5/" in path
            sent = 0
            for chunk in application(environ, start):
                sent += len(chunk)
                yield chunk
            with self.mutex:
                self.requests += 1
                if method == "PUT" and is_object:
                    self.taken += int(environ.get("CONTENT_LENGTH") or 0)
                elif method == "GET" and is_object:
                    self.given += sent

        return counting


def tables(repeat: int) -> Tables:
    """Yield bytes and requests of `repeat` runs."""
    rows: list[list[TextOrNumber]] = []
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        for number in range(repeat):
            with store() as (counted, port):
                repository = _repository(Path(folder) / f"run{number}", port)
                run([*OURS, "run", "--workers", str(WORKERS), "--on", "dask"], repository, ACCESS)
                settled(repository)
                up, down = bound(placement(repository))
                rows.append(
                    [
                        number + 1,
                        counted.taken / 1e6,
                        up / 1e6,
                        counted.given / 1e6,
                        down / 1e6,
                        counted.requests,
                    ]
                )
    yield BenchmarkTable(
        name="bytes",
        title=f"MB of objects through an S3 remote: a source of {SOURCE / 1e6:g} MB, {PARTS} stages that "
        f"read it and write {PART / 1e6:g} MB each, one that reads them all and writes {LAST / 1e6:g} MB, on "
        f"{WORKERS} workers; beside the lower bound for the placement of the run.",
        columns=["run", "to the remote", "bound", "from the remote", "bound of it", "requests"],
        rows=rows,
        decimals={"to the remote": 2, "bound": 2, "from the remote": 2, "bound of it": 2},
    )


@contextmanager
def store() -> Iterator[tuple[Counted, int]]:
    """Yield what an S3 store on a free port counts, and the port."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it prints each request
    counted = Counted()
    application = counted.around(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield counted, server.port
    finally:
        server.shutdown()
        thread.join()


def _repository(root: Path, port: int) -> Path:
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=ACCESS["AWS_DEFAULT_REGION"],
        aws_access_key_id=ACCESS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ACCESS["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket=BUCKET)
    repository = make_repository(root, declaration())
    (repository / "source.bin").write_bytes(os.urandom(SOURCE))
    for words in (
        ["add", "--quiet", "source.bin"],
        ["remote", "add", "--quiet", "--default", "s3", f"s3://{BUCKET}/data"],
        ["remote", "modify", "--quiet", "s3", "endpointurl", f"http://127.0.0.1:{port}"],
    ):
        check(subprocess.run([*DVC, *words], cwd=repository, check=False).returncode)
    return repository


def declaration() -> str:
    """Return stages that read one large file, and one that reads their outputs."""
    lines = ["stages:"]
    for number in range(PARTS):
        lines += [f"  part{number}:", f"    cmd: head -c {PART} /dev/urandom > out/{number} && sleep 1"]
        lines += ["    deps: [source.bin]", f"    outs: [out/{number}]"]
    inputs = ", ".join(f"out/{number}" for number in range(PARTS))
    lines += ["  last:", f"    cmd: head -c {LAST} /dev/urandom > out/last", f"    deps: [{inputs}]"]
    return "\n".join([*lines, "    outs: [out/last]"])


def placement(repository: Path) -> dict[str, str]:
    """Return stage -> address of its worker, from the logs of the last run."""
    logs = max((repository / ".statewright/logs").glob("*/last.log"), key=lambda log: log.stat().st_mtime)
    names = ["last", *(f"part{number}" for number in range(PARTS))]
    return {name: RAN.findall((logs.parent / f"{name}.log").read_text("utf-8"))[0] for name in names}


def bound(workers: Mapping[str, str]) -> tuple[int, int]:
    """Return the least bytes to and from the remote for a placement."""
    outputs = PARTS * PART + LAST
    readers = {workers[f"part{number}"] for number in range(PARTS)}
    elsewhere = sum(workers[f"part{number}"] != workers["last"] for number in range(PARTS))
    return SOURCE + outputs, len(readers) * SOURCE + elsewhere * PART + outputs
