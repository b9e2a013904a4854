"""Messages of DVC's loggers do not show secrets."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pytest
from toys import make_repository

from statewright.repository.declaration import open_repository
from statewright.repository.loggers import LOGGERS, set_up_loggers

STAGES = "stages:\n  a: {cmd: echo 1 > a.txt, outs: [a.txt]}\n"


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Text that the handlers of DVC print after a repository has been opened."""
    open_repository(make_repository(tmp_path / "toy", {"dvc.yaml": STAGES}))
    text = io.StringIO()
    for name in LOGGERS:
        for handler in logging.getLogger(name).handlers:
            assert isinstance(handler, logging.StreamHandler)
            monkeypatch.setattr(handler, "stream", text)
    return text


@pytest.mark.parametrize("name", ["dvc.repo.fetch", "dvc_data.hashfile.transfer", "dvc_objects.fs.generic"])
def test_secrets_in_a_message_its_arguments_and_its_cause_are_masked(
    printed: io.StringIO, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("STORE_PASSWORD", "hunter5hunter5")
    logger = logging.getLogger(name)
    try:
        try:
            raise OSError("get https://u:hunter1@host/x?token=hunter2")
        except OSError as cause:
            raise RuntimeError("sent Authorization: Bearer hunter3hunter3") from cause
    except RuntimeError:
        logger.exception("failed to transfer '%s' with hunter5hunter5", "s3://key:hunter4@bucket/x")

    text = printed.getvalue()
    assert "failed to transfer 's3://key:***@bucket/x' with ***" in text
    assert "get https://u:***@host/x?token=***" in text
    assert "hunter" not in text


def test_other_text_is_as_dvc_prints_it_and_setting_up_twice_changes_nothing(printed: io.StringIO) -> None:
    set_up_loggers()
    logging.getLogger("dvc_data").error("failed to transfer '%s'", "ab/cdef")
    assert printed.getvalue() == "ERROR: failed to transfer 'ab/cdef'\n"
