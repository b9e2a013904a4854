"""The answer without a command, which depends on the folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from statewright.cli import main
from statewright.record.journal import Journal
from statewright.record.parents import ParentRecord


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        main([*arguments])
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert out == "" and "All commands: statewright --help" in err
    return err


def test_it_names_the_commands_that_come_first_in_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    here = ("-C", str(tmp_path))
    text = said(capsys, *here)
    assert "is not in a DVC repository" in text and "dvc init" in text
    (tmp_path / ".dvc").mkdir()
    text = said(capsys, *here)
    assert "has no dvc.yaml" in text and "statewright init churn" in text
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "dvc.yaml").write_text("stages: {}\n")
    assert "statewright run -P " in said(capsys, *here)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    text = said(capsys, *here)
    assert "no run is recorded yet" in text
    assert [line.split("  ")[1] for line in text.splitlines() if line.startswith("  ")][:2] == [
        "statewright plan",
        "statewright run",
    ]
    journal = Journal(tmp_path, {})
    start = {"do": "start", "part": "", "parent": asdict(ParentRecord("lr 1 -> 2")), "context": {}}
    journal.append({**start, "at": 1000.0})
    journal.close()
    text = said(capsys, *here)
    assert "Last run here: " in text and "stopped: lr 1 -> 2" in text and "statewright history" in text
