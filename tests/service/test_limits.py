"""Token buckets, and the bundle's complaints."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from service.bundle import MADE, PARTS, BundleError, collect, read_settings
from service.limits import MOST_CLIENTS, Rate
from service.registry import champion


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_client_may_as_many_at_once_and_then_by_the_minute() -> None:
    clock = Clock()
    rate = Rate(6, clock)
    assert [rate.wait("a") for _ in range(6)] == [0.0] * 6
    assert rate.wait("a") == pytest.approx(10.0)
    assert rate.wait("b") == 0.0
    clock.now += 10
    assert (rate.wait("a"), rate.wait("a")) == (0.0, pytest.approx(10.0))


def test_no_bound_and_bad_bounds() -> None:
    assert {Rate(math.inf).wait("a") for _ in range(1000)} == {0.0}
    with pytest.raises(ValueError, match="above 0"):
        Rate(0)


def test_less_than_one_a_minute_is_still_one_now_and_then() -> None:
    clock = Clock()
    rate = Rate(0.5, clock)
    assert (rate.wait("a"), rate.wait("a")) == (0.0, pytest.approx(120.0))
    clock.now += 120
    assert rate.wait("a") == 0.0


def test_the_buckets_do_not_grow_for_ever() -> None:
    rate = Rate(1, Clock())
    for client in range(MOST_CLIENTS + 50):
        rate.wait(str(client))
    assert len(rate._buckets) == MOST_CLIENTS


def test_a_bundle_of_nothing_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="run `statewright run releaf`"):
        collect(tmp_path, tmp_path / "bundle")
    with pytest.raises(BundleError, match=r"assistant.json is no description"):
        read_settings(tmp_path)


def test_a_registry_that_is_out_of_reach_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(BundleError, match=r"the registry cannot be asked: .*is MLFLOW_TRACKING_URI right"):
        champion(tmp_path)


def test_a_bundle_of_heads_from_photographs_has_the_settings_they_were_trained_with(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (tmp_path / MADE).mkdir(parents=True)
    for name in PARTS:
        (tmp_path / MADE / name).touch()
    (tmp_path / MADE / "evaluate.json").write_text('{"temperature": 1.0, "names": {"right": 0.5}}')
    text = (request.config.rootpath / "params.yaml").read_text()
    for photographs, hidden in (("null", 512), ("x.parquet", 0)):
        (tmp_path / "params.yaml").write_text(
            text.replace("photographs: null", f"photographs: {photographs}")
        )
        assert collect(tmp_path, tmp_path / "bundle").vision["hidden"] == hidden


def test_without_a_champion_it_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(BundleError, match="python -m service promote"):
        champion(tmp_path)
