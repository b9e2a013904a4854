"""Connections to clusters on this machine."""

from __future__ import annotations

import logging
import os
import socket

import pytest

from statewright.remote.clusters import connect, parse_on
from statewright.workflow import WorkflowError


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """Return a client of two local workers under TLS, and what was printed."""
    folder = tmp_path_factory.mktemp("cluster")
    before = dict(os.environ)
    file = folder / "cluster.yaml"
    file.write_text(
        f"kind: local\nworkers: 2\ncpu: 2\nram_gb: 1\nsecurity: temporary\nfolder: {folder}\nwait: 60\n"
    )
    lines: list[str] = []
    with connect(parse_on(f"dask={file}"), workers=1, say=lines.append) as client:
        client.wait_for_workers(2, timeout=60)
        yield client, lines, folder, before


@pytest.mark.slow
def test_local_workers_have_folders_and_a_thread_a_core(local):
    client, lines, folder, _ = local
    workers = client.scheduler_info()["workers"].values()
    assert [worker["nthreads"] for worker in workers] == [2, 2]
    assert [worker["resources"] for worker in workers] == [{"cpu": 2, "ram_gb": 1, "gpu": 0}] * 2
    folders = {worker["local_directory"] for worker in workers}
    assert len(folders) == 2
    assert all(name.startswith(str(folder)) for name in folders)
    assert len(lines) == 1
    assert lines[0].startswith("Dask: http://127.0.0.1:")


@pytest.mark.slow
def test_local_workers_listen_on_loopback_only(local):
    client, *_ = local
    addresses = [client.scheduler.address, *client.scheduler_info()["workers"]]
    assert all(address.startswith("tls://127.0.0.1:") for address in addresses)


@pytest.mark.slow
def test_workers_and_this_process_have_the_environment_of_the_caller(local):
    client, _, _, before = local
    names = ("OMP_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_", "PYTHONHASHSEED")
    seen = client.submit(lambda: {name: os.environ.get(name) for name in names}).result(timeout=60)
    assert seen == {name: before.get(name) for name in names}
    assert {name: os.environ.get(name) for name in names} == seen


@pytest.mark.slow
def test_messages_of_dask_about_connections_are_left_out(local):
    assert not logging.getLogger("distributed.scheduler").isEnabledFor(logging.INFO)
    assert logging.getLogger("distributed.scheduler").isEnabledFor(logging.WARNING)


def test_a_scheduler_that_does_not_answer_is_named():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    cluster = parse_on(f"dask={address}").model_copy(update={"wait": 0.5})
    with (
        pytest.raises(WorkflowError, match=f"no scheduler answers at {address}"),
        connect(cluster, workers=1),
    ):
        pass
