"""Leases on a local folder and on S3: one owner at a time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from remote_stores import clone, make_origin, opened, s3_section, s3_server

from statewright.repository import leases
from statewright.repository.leases import Holder, Lease
from statewright.repository.remote_sharing import Remote

KEY = "a" * 64


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Remote]]:
    """Open the remote of a repository, for each kind of store."""
    folder = tmp_path_factory.mktemp("leases")
    with s3_server() as address:
        sections = {"local": f"    url = {folder / 'store'}\n", "s3": s3_section(address, "leases")}
        yield {
            kind: opened(clone(make_origin(folder / kind, section), folder / f"{kind}-clone"))
            for kind, section in sections.items()
        }


@pytest.fixture(params=["local", "unordered", pytest.param("s3", marks=pytest.mark.slow)])
def remote(request: pytest.FixtureRequest, stores: dict[str, Remote]) -> Remote:
    """Return a store; ``unordered`` is a folder without atomic creation."""
    if request.param != "unordered":
        return stores[request.param]
    request.getfixturevalue("monkeypatch").setattr(leases, "SETTLE_S", 0.2)
    request.getfixturevalue("monkeypatch").setattr(type(stores["local"].fs), "protocol", "webdav")
    return stores["local"]


@pytest.mark.parametrize("kind", ["local", pytest.param("s3", marks=pytest.mark.slow)])
def test_of_many_at_once_one_gets_the_lease(stores: dict[str, Remote], kind: str) -> None:
    remote = stores[kind]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda name: leases.acquire(remote, KEY, name), "abcdefgh"))
    held = [answer for answer in answers if isinstance(answer, Lease)]
    assert len(held) == 1
    holder = leases.acquire(remote, KEY, "late")
    assert isinstance(holder, Holder)
    assert (holder.owner, holder.stage) == (leases.owner(), held[0].stage)
    leases.release(remote, held[0])
    again = leases.acquire(remote, KEY, "next")
    assert isinstance(again, Lease)
    leases.release(remote, again)


def test_a_renewed_lease_is_not_taken_over_and_an_expired_one_once(remote: Remote) -> None:
    first = leases.acquire(remote, KEY, "train")
    seen = leases.acquire(remote, KEY, "train")
    assert isinstance(first, Lease)
    assert isinstance(seen, Holder)
    renewed = leases.renew(remote, first)
    assert renewed is not None
    assert leases.take_over(remote, KEY, "train", seen) is None  # it has come back
    seen = leases.acquire(remote, KEY, "train")
    assert isinstance(seen, Holder)
    taken = leases.take_over(remote, KEY, "train", seen)
    assert taken is not None
    assert leases.take_over(remote, KEY, "train", seen) is None  # somebody else was faster
    # The old owner wakes up: it notices, and its release leaves the new lease alone.
    assert leases.renew(remote, renewed) is None
    leases.release(remote, renewed)
    assert isinstance(leases.acquire(remote, KEY, "train"), Holder)
    leases.release(remote, taken)


def test_a_lease_that_its_owner_was_killed_while_writing_is_a_lease(stores: dict[str, Remote]) -> None:
    remote = stores["local"]
    path = Path(remote.path, "statewright", "leases", KEY, "000001")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    holder = leases.acquire(remote, KEY, "train")
    assert isinstance(holder, Holder)
    assert (holder.owner, holder.ttl_s) == ("somebody", leases.TTL_S)
    taken = leases.take_over(remote, KEY, "train", holder)
    assert taken is not None
    assert not path.exists()
    leases.release(remote, taken)


def test_the_time_of_the_start_needs_no_clock_of_the_owner() -> None:
    holder = Holder(1, b"", "ana@gpu1", "train", running_s=600.0)
    now = 1_700_000_000.0
    expected = leases.time.strftime("%H:%M", leases.time.localtime(now - 600))
    assert leases.describe(holder, now) == f"ana@gpu1, who runs 'train' since {expected}"


@pytest.mark.parametrize(
    ("error", "unsupported"),
    [
        (OSError("An error occurred (NotImplemented) when calling the PutObject operation"), True),
        (OSError("An error occurred (501) when calling the PutObject operation"), True),
        (NotImplementedError("mode"), True),
        (OSError("An error occurred (AccessDenied) when calling PutObject: request 7501AB"), False),
    ],
)
def test_only_a_store_without_conditional_requests_is_written_otherwise(
    error: Exception, unsupported: bool, stores: dict[str, Remote], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, mode: str = "overwrite", **__: object) -> None:
        if mode == "create":
            raise error

    remote = stores["local"]
    monkeypatch.setattr(type(remote.fs), "protocol", "s3")
    monkeypatch.setattr(remote.fs.fs, "pipe_file", refuse)
    monkeypatch.setattr(leases, "SETTLE_S", 0.0)
    if not unsupported:
        with pytest.raises(type(error), match="AccessDenied"):
            leases.acquire(remote, KEY, "train")
        return
    with pytest.raises(FileNotFoundError):  # the second, plain writing is reached; this one writes nothing
        leases.acquire(remote, KEY, "train")
