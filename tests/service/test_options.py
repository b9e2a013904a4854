"""Errors of invalid options of ``python -m service serve``."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx
import pytest
import uvicorn

from service.__main__ import connection_settings, main
from service.app import create_app


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--batch-texts", "0", "expected a whole number of 1 or more"),
        ("--batch-photographs", "many", "expected a whole number of 1 or more"),
        ("--rate", "-1", "expected a number of 0 or more"),
        ("--rate", "fast", "expected a number of 0 or more"),
        ("--behind-proxy", "proxy", "expected an address or a network such as 10.0.0.0/8"),
    ],
)
def test_the_error_names_the_expected_value(
    capsys: pytest.CaptureFixture[str], option: str, value: str, message: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["serve", option, value])
    error = capsys.readouterr().err
    assert f"{option}: '{value}'" in error and message in error


def test_other_machines_need_a_proxy_in_front() -> None:
    with pytest.raises(SystemExit, match=r"--host 0.0.0.0 .*: --behind-proxy NETWORK"):
        main(["serve", "--host", "0.0.0.0"])


@pytest.mark.parametrize(
    ("proxies", "statuses"),
    [(["127.0.0.0/8"], [404, 404]), (["10.0.0.0/8"], [404, 429]), ([], [404, 429])],
    ids=["from the proxy", "from another machine", "without a proxy"],
)
def test_the_rate_limit_counts_the_clients_of_the_proxy(proxies: list[str], statuses: list[int]) -> None:
    def load_engine() -> Any:
        raise ValueError("this test needs no model")

    app = create_app(load_engine, requests_per_minute=1)
    server = uvicorn.Server(uvicorn.Config(app, port=0, **connection_settings(proxies)))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        answers = [
            httpx.get(f"http://127.0.0.1:{port}/v1/none", headers={"x-forwarded-for": f"192.0.2.{number}"})
            for number in (1, 2)
        ]
    finally:
        server.should_exit = True
        thread.join()
    assert [answer.status_code for answer in answers] == statuses
