"""Fixtures that all tests share, such as a Prefect server for the session."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from statewright.environment import quiet
from statewright.running.process import stop
from statewright.running.servers import wait_until_up
from tests import external
from tests.tiny_cross_encoder import save_cross_encoder
from tests.tiny_language_model import save_tiny

quiet()  # before a test module imports Prefect or MLflow
LONGEST = ("end_to_end", "slow")
"""Marks of the tests that run first."""
CALLER_SETTINGS = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "PREFECT_API_URL")


@pytest.fixture(autouse=True, scope="session")
def neutral_environment() -> Iterator[None]:
    """Remove the caller's settings that point to their own servers."""
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLER_SETTINGS:
            patch.delenv(name, raising=False)
        # A stage's `python` is the first on the PATH: that of the tests, as in an activated environment.
        patch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        yield


@pytest.fixture(autouse=True, scope="session")
def default_interrupt_handler() -> None:
    """Restore Ctrl-C, which a shell disables for processes in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def one_thread_each() -> Iterator[None]:
    """Limit numeric libraries to one thread, because tests run in parallel."""
    with threadpool_limits(1):
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files with long tests first: parallel workers then end together."""
    order: dict[Path, int] = {}
    for item in items:
        ranks = [rank for rank, mark in enumerate(LONGEST) if item.get_closest_marker(mark)]
        rank = min(ranks, default=len(LONGEST))
        order[item.path] = min(order.get(item.path, rank), rank)
    items.sort(key=lambda item: order[item.path])


@pytest.hookimpl(wrapper=True, tryfirst=True)  # after the list of skipped tests
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Print the number of tests that were skipped because external data is missing."""
    yield
    reasons = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", ())]
    count = sum(reason.startswith(f"Skipped: {external.PREFIX}") for reason in reasons)
    if count:
        terminalreporter.write_line(
            f"{count} test{' was' if count == 1 else 's were'} skipped: data outside the repository is "
            f"missing. Set STATEWRIGHT_DATA; {external.PAGE} says how to get it."
        )


@pytest.fixture(scope="session")
def external_data() -> Callable[..., Path]:
    """Function that returns a path of external data, or skips the test."""
    return external.external_data


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """API address of a Prefect server with a separate database."""
    home = tmp_path_factory.mktemp("prefect")
    port = free_port()
    address = f"http://127.0.0.1:{port}/api"
    environment = {**os.environ, "PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (Path(home) / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(home))
        patch.setenv("PREFECT_API_URL", address)
        try:
            wait_until_up(f"{address}/health", lambda: process.poll() is None)
            yield address
        finally:
            drain_prefect()
            stop(process)


def drain_prefect() -> None:
    """Send the events and logs that Prefect's threads still hold.

    At the exit of this process they would retry for a minute, since the server is gone by then.
    """
    if "prefect" in sys.modules:
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker

        APILogWorker.drain_all(timeout=10)
        EventsWorker.drain_all(timeout=10)


def free_port() -> int:
    """Return a port that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small language model as a folder of transformers."""
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def cross_encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small cross-encoder as a folder of transformers."""
    return save_cross_encoder(tmp_path_factory.mktemp("cross_encoder"))


@pytest.fixture
def tiny(tiny_folder: Path) -> Callable:
    """Loader of the small language model; an adapter changes a loaded one in place."""
    from methods.language.model import load_language_model

    return lambda: load_language_model(str(tiny_folder))
