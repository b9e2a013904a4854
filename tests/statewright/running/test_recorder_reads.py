"""The recorder reads data while stages run; that is no read of a stage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from toys import commit, make_repository, statewright

FILES = {
    "make.py": "open('data.csv', 'w').write('area,price\\n50,1.5\\n')",
    "use.py": "open('out.txt', 'w').write(open('data.csv').read())",
    "wait.py": """
        import pathlib, sqlite3, time
        recorded, until = 0, time.time() + 60
        while not recorded and time.time() < until:  # the recorder has opened the data of `use`
            time.sleep(0.5)
            for path in pathlib.Path().rglob("mlflow.db"):
                with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
                    (recorded,) = database.execute("SELECT count(*) FROM inputs").fetchone()
        assert recorded, "nothing was recorded meanwhile"
        open('waited.txt', 'w').write('x')
        """,
    "dvc.yaml": """
        stages:
          make: {cmd: python make.py, deps: [make.py], outs: [data.csv]}
          use:
            cmd: python use.py
            deps: [use.py, data.csv]
            outs: [out.txt]
            meta: {model: {file: out.txt, example: data.csv}}
          wait: {cmd: python wait.py, deps: [wait.py], outs: [waited.txt]}
        """,
}


@pytest.mark.slow
def test_the_recorder_is_not_taken_for_a_stage(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "toy", FILES)
    commit(root)
    done = statewright(root, "run", "--workers", "1")
    assert done.returncode == 0, done.stderr
    stages = json.loads((root / ".statewright" / "reads.json").read_text())["stages"]
    paths = {address: set(of_stage[-1]["paths"]) for address, of_stage in stages.items()}
    assert paths == {"make": {"make.py"}, "use": {"use.py", "data.csv"}, "wait": {"wait.py"}}
