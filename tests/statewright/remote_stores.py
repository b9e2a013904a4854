"""DVC remotes for tests, and clones of one small repository that use them."""

from __future__ import annotations

import http.server
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from toys import commit, make_repository, write

from statewright.repository.declaration import open_repository
from statewright.repository.remote_sharing import Remote, open_remote

STAGES = """
    stages:
      prep:
        cmd: echo prep >> "$RAN"; cat raw.csv raw.csv > prep.csv
        deps: [raw.csv]
        outs: [prep.csv]
      train:
        cmd: echo train >> "$RAN"; mkdir -p model; cp prep.csv model/a; echo ${lr} > model/b
        deps: [prep.csv]
        params: [lr]
        outs: [model]
      report:
        cmd: echo report >> "$RAN"; cp model/b m.json
        deps: [model]
        metrics: [{m.json: {cache: false}}]
"""
BUCKET = "team"


def make_origin(root: Path, remote: str, stages: str = STAGES) -> Path:
    """Create a committed repository with a remote ``store``, given as DVC's settings."""
    files = {"dvc.yaml": stages, "raw.csv": "1\n2\n", "params.yaml": "lr: 1e-7\n"}
    make_repository(root, {**files, "pyproject.toml": "[tool.statewright]\nprefect = 'never'\n"})
    config = root / ".dvc" / "config"
    section = f"    remote = store\n['remote \"store\"']\n{remote}"
    config.write_text(config.read_text(encoding="utf-8") + section, encoding="utf-8")
    write(root, {".gitignore": "/prep.csv\n/model\n"})
    commit(root)
    return root


def clone(origin: Path, target: Path) -> Path:
    """Clone a repository without its cache."""
    subprocess.run(["git", "clone", "--quiet", str(origin), str(target)], check=True)
    return target


def opened(root: Path) -> Remote:
    """Return the open remote of a repository."""
    remote = open_remote(open_repository(root))
    assert remote is not None
    return remote


@contextmanager
def s3_server() -> Iterator[str]:
    """Serve S3 from memory; yield its address."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=address, **keys).create_bucket(Bucket=BUCKET)
    try:
        yield address
    finally:
        server.stop()


def s3_section(address: str, folder: str) -> str:
    """Return DVC's settings of a folder in the bucket."""
    return (
        f"    url = s3://{BUCKET}/{folder}\n    endpointurl = {address}\n    region = us-east-1\n"
        "    access_key_id = test\n    secret_access_key = test\n"
    )


class _Files(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, which PUT writes."""

    def do_PUT(self) -> None:
        """Write a file."""
        path = Path(self.translate_path(self.path))
        path.parent.mkdir(parents=True, exist_ok=True)
        # aiohttp sends a file in chunks: a line with the size in hexadecimal digits before each.
        data = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers["Content-Length"]))
        path.write_bytes(data)
        self.send_response(201)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@contextmanager
def http_server(folder: Path) -> Iterator[str]:
    """Serve a folder; yield its address."""
    folder.mkdir(parents=True, exist_ok=True)
    handler = type("Files", (_Files,), {"__init__": _in_folder(folder)})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _in_folder(folder: Path) -> Any:
    def start(self: Any, *arguments: Any) -> None:
        http.server.SimpleHTTPRequestHandler.__init__(self, *arguments, directory=str(folder))

    return start
