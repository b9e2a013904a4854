"""The reverse proxy in a real nginx: names, headers and limits."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.conftest import free_port
from tests.deploy.composition import DEPLOY

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx-light")


class Echo(BaseHTTPRequestHandler):
    """An upstream that answers with the headers that it gets."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Ports of HTTP and HTTPS of an nginx in front of `Echo`."""
    folder = tmp_path_factory.mktemp("proxy")
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    http, https = free_port(), free_port()
    names = [f"{name}_UPSTREAM" for name in ("PREFECT", "MLFLOW", "ASSISTANT")]
    values = dict.fromkeys(names, f"127.0.0.1:{upstream.server_port}") | {
        "DOMAIN": "example.org",
        "NGINX_LOCAL_RESOLVERS": "127.0.0.1",
    }
    text = (DEPLOY / "settings" / "proxy.conf").read_text()
    text = re.sub(r"\$\{([A-Z_]+)\}", lambda match: values[match[1]], text)
    for old, new in {"8080": str(http), "8443": str(https), "/certificates": str(folder)}.items():
        text = text.replace(old, new)
    subject = ["-subj", "/CN=example.org", "-keyout", folder / "tls.key", "-out", folder / "tls.crt"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject],
        check=True,
        capture_output=True,
    )
    user = "user root;" if os.getuid() == 0 else ""  # its workers write to the folder of pytest
    own = f"{user} pid {folder}/pid; daemon off; error_log stderr; events {{}}\n"
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(f"{own}http {{\naccess_log off;\n{temporary}{text}}}\n")
    process = subprocess.Popen([str(NGINX), "-c", folder / "nginx.conf"], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 30
        while True:
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            try:
                assert httpx.get(f"http://127.0.0.1:{http}/healthz").text == "ok\n"
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield http, https
    finally:
        process.terminate()
        process.wait(30)
        upstream.shutdown()


def ask(ports: tuple[int, int], name: str, path: str = "/", **options: Any) -> httpx.Response:
    headers = {"Host": name, **options.pop("headers", {})}
    method = "POST" if "content" in options else "GET"
    address = f"https://127.0.0.1:{ports[1]}{path}"
    # The name in TLS, by which nginx selects the server.
    extensions = {"sni_hostname": name}
    with httpx.Client(verify=False) as client:
        return client.request(method, address, headers=headers, extensions=extensions, **options)


def test_plain_http_leads_to_tls(ports: tuple[int, int]) -> None:
    answer = httpx.get(f"http://127.0.0.1:{ports[0]}/runs", headers={"Host": "prefect.example.org"})
    assert (answer.status_code, answer.headers["location"]) == (301, "https://prefect.example.org/runs")


def test_other_names_are_refused(ports: tuple[int, int]) -> None:
    assert ask(ports, "evil.example.org").status_code == 421


@pytest.mark.parametrize("name", ["prefect", "mlflow", "waste"])
def test_a_client_cannot_forge_its_address(ports: tuple[int, int], name: str) -> None:
    forged = {"X-Forwarded-For": "192.0.2.9", "Forwarded": "for=192.0.2.9", "X-Forwarded-Proto": "http"}
    answer = ask(ports, f"{name}.example.org", headers=forged)
    assert answer.headers["strict-transport-security"]
    received = answer.json()
    assert received["host"] == f"{name}.example.org"
    assert received["x-forwarded-for"] == "127.0.0.1"
    assert received["x-forwarded-proto"] == "https"
    assert "forwarded" not in received


@pytest.mark.parametrize(
    ("name", "path", "megabytes", "status"),
    [
        ("prefect", "/api/logs/", 9, 200),
        ("prefect", "/api/logs/", 11, 413),
        ("mlflow", "/api/2.0/mlflow/runs/log-batch", 11, 413),
        ("mlflow", "/api/2.0/mlflow-artifacts/artifacts/1/model", 11, 200),
        ("waste", "/v1/look", 20, 200),
        ("waste", "/v1/look", 22, 413),
    ],
)
def test_a_large_body_is_refused(
    ports: tuple[int, int], name: str, path: str, megabytes: int, status: int
) -> None:
    answer = ask(ports, f"{name}.example.org", path, content=bytes(megabytes * 2**20))
    assert answer.status_code == status


def test_metrics_are_private_and_the_rate_is_limited(ports: tuple[int, int]) -> None:
    assert ask(ports, "waste.example.org", "/metrics").status_code == 404
    statuses = [ask(ports, "waste.example.org").status_code for _ in range(60)]
    assert statuses[0] == 200 and 429 in statuses
