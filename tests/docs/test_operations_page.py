"""The backup of docs/operations.md, as a user types it."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from toys import HERE, make_repository


def test_the_backup_copies_a_database_in_use(tmp_path: Path) -> None:
    page = (HERE / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## Back up")[2]
    script = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert script
    root = make_repository(tmp_path / "music", {".statewright/mlflow/artifacts/r/note.txt": "kept\n"})
    with closing(sqlite3.connect(root / ".statewright" / "mlflow" / "mlflow.db")) as store:
        store.execute("PRAGMA journal_mode = WAL")  # a plain copy of the file would lack the row
        store.execute("CREATE TABLE runs (name)")
        store.execute("INSERT INTO runs VALUES ('first')")
        store.commit()
        done = subprocess.run(
            ["bash", "-c", script[1]],
            cwd=root,
            env={
                **os.environ,
                "PYTHONPATH": str(HERE),
                "BACKUPS": str(tmp_path / "backups"),
                "PREFECT_HOME": str(tmp_path / "absent"),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    (backup,) = (tmp_path / "backups").iterdir()
    assert backup.suffix == "" and {path.name for path in backup.iterdir()} == {"mlflow.db", "artifacts"}
    with closing(sqlite3.connect(backup / "mlflow.db")) as copy:
        assert copy.execute("SELECT name FROM runs").fetchall() == [("first",)]
    assert (backup / "artifacts" / "r" / "note.txt").read_text() == "kept\n"
