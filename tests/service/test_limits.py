"""Token buckets, and the errors of bundles and registry."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from service.bundle import BUNDLE_FILES, STAGE_OUTPUTS, BundleError, collect_bundle, read_settings
from service.limits import MAX_CLIENTS, RateLimiter
from service.registry import fetch_champion


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_client_has_a_burst_and_then_a_rate_per_minute() -> None:
    clock = Clock()
    limiter = RateLimiter(6, clock)
    assert [limiter.acquire("a") for _ in range(6)] == [0.0] * 6
    assert limiter.acquire("a") == pytest.approx(10.0)
    assert limiter.acquire("b") == 0.0
    clock.now += 10
    assert (limiter.acquire("a"), limiter.acquire("a")) == (0.0, pytest.approx(10.0))


def test_no_limit_and_an_invalid_limit() -> None:
    assert {RateLimiter(math.inf).acquire("a") for _ in range(1000)} == {0.0}
    with pytest.raises(ValueError, match="above 0"):
        RateLimiter(0)


def test_a_rate_below_one_per_minute_allows_single_requests() -> None:
    clock = Clock()
    limiter = RateLimiter(0.5, clock)
    assert (limiter.acquire("a"), limiter.acquire("a")) == (0.0, pytest.approx(120.0))
    clock.now += 120
    assert limiter.acquire("a") == 0.0


def test_the_number_of_buckets_is_bounded() -> None:
    limiter = RateLimiter(1, Clock())
    for client in range(MAX_CLIENTS + 50):
        limiter.acquire(str(client))
    assert len(limiter._buckets) == MAX_CLIENTS


def test_an_empty_bundle_names_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="run `statewright run releaf`"):
        collect_bundle(tmp_path, tmp_path / "bundle")
    with pytest.raises(BundleError, match=r"assistant.json is missing or is not a valid description"):
        read_settings(tmp_path)


def test_an_unreachable_registry_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(BundleError, match=r"the model registry cannot be read: .*check MLFLOW_TRACKING_URI"):
        fetch_champion(tmp_path)


def test_a_bundle_has_the_settings_of_heads_trained_on_photographs(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (tmp_path / STAGE_OUTPUTS).mkdir(parents=True)
    for name in BUNDLE_FILES:
        (tmp_path / STAGE_OUTPUTS / name).touch()
    (tmp_path / STAGE_OUTPUTS / "evaluate.json").write_text('{"temperature": 1.0, "names": {"right": 0.5}}')
    text = (request.config.rootpath / "params.yaml").read_text()
    for photographs, hidden in (("null", 512), ("x.parquet", 0)):
        (tmp_path / "params.yaml").write_text(
            text.replace("photographs: null", f"photographs: {photographs}")
        )
        assert collect_bundle(tmp_path, tmp_path / "bundle").vision.hidden == hidden


def test_a_registry_without_champion_names_the_command_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(BundleError, match="python -m service promote"):
        fetch_champion(tmp_path)
