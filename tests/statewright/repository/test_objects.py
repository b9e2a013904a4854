"""Objects that several stages push at the same time."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from statewright.repository import objects
from statewright.repository.objects import Objects, push_objects

ENTRY = {"md5": "0" * 32}


@pytest.fixture
def store() -> Objects:
    return Objects(SimpleNamespace(), None, None)  # type: ignore[arg-type]


def test_stages_that_start_together_push_an_input_once(
    store: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[Any] = []
    begun, go = threading.Event(), threading.Event()

    def transfer(_: Any, __: Any, ___: Any, wanted: Any, *____: Any) -> None:
        begun.set()
        assert go.wait(10)
        moved.extend(wanted)

    monkeypatch.setattr(objects, "_transfer", transfer)
    threads = [threading.Thread(target=push_objects, args=(store, [ENTRY])) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    threads[1].join(0.2)
    assert all(thread.is_alive() for thread in threads)  # none says before its end that it is there
    go.set()
    for thread in threads:
        thread.join(10)
    assert [item.value for item in moved] == [ENTRY["md5"]]
    assert store.held == {ENTRY["md5"]}
    assert not store.moving


def test_what_another_stage_could_not_push_is_tried_again(
    store: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def transfer(*_: Any) -> None:
        if not begun.is_set():
            begun.set()
            assert go.wait(10)
            raise OSError("the network is down")

    def first() -> None:
        try:
            push_objects(store, [ENTRY])
        except OSError as error:
            failures.append(error)

    monkeypatch.setattr(objects, "_transfer", transfer)
    one, two = threading.Thread(target=first), threading.Thread(target=push_objects, args=(store, [ENTRY]))
    one.start()
    assert begun.wait(10)
    two.start()
    two.join(0.2)
    assert two.is_alive()
    go.set()
    one.join(10)
    two.join(10)
    assert len(failures) == 1
    assert store.held == {ENTRY["md5"]}
