"""The page of a flow run while the database of Prefect's server is away."""

from __future__ import annotations

import io
import urllib.request
from email.message import Message
from typing import Any
from urllib.error import HTTPError, URLError

import pytest

from statewright.running import prefect_runner
from statewright.running.prefect_api import PrefectApi
from statewright.running.prefect_runner import FlowRunPage


def http_error(code: int, text: bytes = b"") -> HTTPError:
    return HTTPError("http://server", code, "error", Message(), io.BytesIO(text))


class FlowRun:
    """Stand-in for a flow run whose server answers with errors first."""

    def __init__(self, errors: list[Exception]) -> None:
        self.errors, self.waiting, self.accepted = errors, list[str](), list[str]()

    def add(self, messages: list[dict[str, Any]]) -> None:
        self.waiting += [message["do"] for message in messages]

    def send(self, api: Any) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.accepted, self.waiting = self.accepted + self.waiting, []

    def lacks(self) -> str:
        return "the Prefect server lacks the last events"


def page_of(flow_run: FlowRun) -> FlowRunPage:
    page = object.__new__(FlowRunPage)  # without the flow run of an engine
    vars(page).update(_run=flow_run, _api=None, _problem=None, _late=False)
    return page


def test_messages_wait_for_a_database_that_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefect_runner, "FAULT_PAUSE_S", 0.0)
    flow_run = FlowRun([http_error(500), http_error(503), http_error(500)])
    page = page_of(flow_run)
    page.blocked("a")
    page.blocked("b")
    assert flow_run.accepted == [] and page.close() is None
    assert flow_run.accepted == ["ended", "ended"]


@pytest.mark.parametrize("error", [http_error(404), URLError("refused")], ids=["404", "refused"])
def test_another_error_costs_the_page_at_once(error: Exception) -> None:
    flow_run = FlowRun([error])
    page = page_of(flow_run)
    page.blocked("a")
    page.blocked("b")
    problem = page.close()
    assert problem and "the page of the flow run is incomplete" in problem
    assert flow_run.waiting == ["ended"]  # the server is not asked again


def test_the_wait_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefect_runner, "FAULT_S", 0.0)
    page = page_of(FlowRun([http_error(500)] * 9))
    page.blocked("a")
    problem = page.close()
    assert problem and problem.startswith(
        "the Prefect server lacks the last events: the server answered with"
    )


def test_an_expired_token_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    valid, sent = ["second"], list[str]()

    def send(self: PrefectApi, request: urllib.request.Request) -> Any:
        if "csrf-token" in request.full_url:
            return {"token": valid[0]}
        token = request.get_header("Prefect-csrf-token")
        sent.append(str(token))
        if token != valid[0]:
            raise http_error(403, b"Invalid CSRF token or client identifier.")
        return "accepted"

    monkeypatch.setattr(PrefectApi, "_send", send)
    api = PrefectApi("http://127.0.0.1:4200/api", headers={"Prefect-Csrf-Token": "first"})
    assert api.post("/logs/", []) == "accepted"
    assert sent == ["first", "second"]
    valid[0] = "none"
    monkeypatch.setattr(PrefectApi, "_add_csrf_token", lambda self: None)
    with pytest.raises(HTTPError, match="403"):
        api.post("/logs/", [])
