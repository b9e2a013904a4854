"""Text of generated programs: the same bytes, clean, typed, and run with limits."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from random_expressions import HOSTILE

from tasks.tuner.generator.configuration import Configuration, configurations
from tasks.tuner.generator.execute import Limits, execute
from tasks.tuner.generator.generate import emit, generate, load_plan
from tasks.tuner.generator.plan import Plan, resolve
from tasks.tuner.generator.spec import Spec

ROOT = Path(__file__).parents[3]
QUERIES = sorted((Path(__file__).parent / "queries").glob("*.yaml"))
CONFIGURATIONS = configurations(batch_sizes=(0, 1000), threads=(1,))
LONG = "x" * 150


def hostile_plan() -> Plan:
    """Return a plan with all hostile names at once, in every kind of step."""
    names = [*HOSTILE, LONG, f"{LONG}é\n"]
    columns = dict.fromkeys(names, "integer")
    steps: list[dict[str, Any]] = [
        {"filter": " and ".join(f"col({name!r}) >= 0" for name in names)},
        {"derive": {names[0]: f"col({LONG!r}) + 1", f"new {LONG}": f"'it''s' + {LONG!r}"}},
        {"join": {"table": "u", "kind": "left", "on": {names[1]: LONG}}},
        {"rename": {names[2]: names[3], names[3]: names[2]}},
        {"group": {"by": names, "aggregates": {f"sum {LONG}": f"sum(col({LONG!r}))"}}},
        {"sort": [f"{LONG} desc"]},
        {"limit": 5},
    ]
    spec = {
        "name": "hostile",
        "sources": {
            "t": {"path": "t.parquet", "columns": columns},
            "u": {"path": "a 'b' {c}.parquet", "columns": {LONG: "integer", "v": "string"}},
        },
        "tables": {"r": {"from": "t", "steps": steps}},
        "sink": {"table": "r"},
    }
    return resolve(Spec.model_validate(spec))


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write programs of each query for each engine, and hostile ones."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    chosen = [Configuration("pandas"), Configuration("polars"), Configuration("duckdb")]
    for number, query in enumerate(QUERIES):
        for choice in {*chosen, CONFIGURATIONS[number * 5 % len(CONFIGURATIONS)]}:
            name = f"{query.stem}_{choice.engine}_{choice.execution}.py"
            (folder / name).write_text(generate(load_plan(query), choice), encoding="utf-8")
    for choice in chosen:
        text = generate(hostile_plan(), choice)
        (folder / f"hostile_{choice.engine}.py").write_text(text, encoding="utf-8")
    return folder


def test_programs_pass_the_linter_and_formatter_of_this_project(programs: Path) -> None:
    """Use the project's own settings; `hostile` has lines that cannot be split."""
    ruff = Path(sys.executable).with_name("ruff")
    for words in (["check", "--no-cache"], ["format", "--no-cache", "--check", "--diff"]):
        done = subprocess.run([ruff, *words, "."], cwd=programs, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


MYPY = """[mypy]
disallow_untyped_defs = True
ignore_missing_imports = True
follow_imports = skip
[mypy-pandas.*]
follow_imports = skip
follow_imports_for_stubs = True
"""


def test_programs_have_types(programs: Path) -> None:
    """Check the functions, without the libraries: their types take a minute."""
    names = [path.name for path in sorted(programs.glob("*.py")) if path.stem.startswith(("q03", "q14"))]
    (programs / "mypy.ini").write_text(MYPY)
    command = [sys.executable, "-m", "mypy", "--no-incremental", "--config-file=mypy.ini", *names]
    done = subprocess.run(command, cwd=programs, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_equal_arguments_give_equal_bytes() -> None:
    """Compare with a process that hashes text differently."""
    code = (
        "from pathlib import Path\n"
        "from tasks.tuner.generator.configuration import Configuration\n"
        "from tasks.tuner.generator.generate import generate, load_plan\n"
        f"for name in {[str(path) for path in QUERIES[:3]]!r}:\n"
        "    for engine in ('pandas', 'polars', 'duckdb'):\n"
        "        print(generate(load_plan(Path(name)), Configuration(engine)))\n"
    )
    texts = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1]
    assert texts[0].count(b"3. Main") == 9


def test_configurations_are_different_programs() -> None:
    plan = load_plan(QUERIES[1])
    texts = {emit(plan, choice).text() for choice in configurations()}
    assert len(texts) == len(configurations()) == 96
    with pytest.raises(ValueError, match="execution of polars is 'merge'; expected one of: eager"):
        Configuration("polars", "merge")


def test_early_filters_read_less() -> None:
    """Move each condition of query 3 from behind the joins to its source."""
    plan = load_plan(QUERIES[1])
    early = emit(plan, Configuration("polars")).functions
    written = emit(plan, Configuration("polars", filters="written")).functions
    assert [".filter(" in function for function in early] == [True, True, True, False]
    assert [".filter(" in function for function in written] == [False, False, False, True]
    assert "c_name" not in early[0]
    assert "c_name" in emit(plan, Configuration("polars", read="all")).functions[0]


@pytest.mark.parametrize("engine", ["pandas", "polars", "duckdb"])
def test_a_hostile_program_runs(engine: str, tmp_path: Path) -> None:
    """Run it as a process of its own, as a user does, in a folder with wildcards."""
    plan = hostile_plan()
    folder = tmp_path / "a [b]* 'c'"
    folder.mkdir()
    for source in plan.sources:
        values = {"integer": [1, None, 3], "string": ["x"] * 3}
        columns = {name: values[kind] for name, kind in source.columns.items()}
        pq.write_table(pa.table(columns), folder / source.path)
    out = folder / "out.parquet"
    done = execute(generate(plan, Configuration(engine)), folder, out)
    assert done.status == "done", done.error
    table = pq.ParquetFile(out).read()
    assert table.column_names == list(plan.columns)
    assert table[f"sum {LONG}"].to_pylist() == [3, 1]
    assert table[HOSTILE[0]].to_pylist() == [4, 2]


def test_an_execution_measures_the_program_alone(tmp_path: Path) -> None:
    """Hold more memory here than the program does: its peak stays its own."""
    ballast = bytearray(os.urandom(1) * 300_000_000)
    text = (
        "import pathlib, time\ntime.sleep(0.2)\n"
        "def main(words):\n    data = bytearray(b'x' * 60_000_000)\n"
        "    sum(range(3_000_000))\n    pathlib.Path(words[-1]).touch()\n"
    )
    done = execute(text, tmp_path, tmp_path / "out")
    assert done.status == "done", done.error
    assert len(ballast) > 200 * 2**20
    assert 57 < done.peak_mb < 200
    assert done.import_wall_s >= 0.2 > done.import_cpu_s
    assert 0 < done.run_cpu_s <= done.cpu_s
    assert done.wall_s > done.import_wall_s + done.run_wall_s
    assert (tmp_path / "out").exists()


LIMITED = {
    "timeout": ("def main(words):\n    while True:\n        pass\n", Limits(seconds=1.5)),
    "memory": ("def main(words):\n    bytearray(10**9)\n", Limits(memory_mb=400)),
    "failed": ("def main(words):\n    raise ValueError('the reason')\n", Limits()),
}


@pytest.mark.parametrize("status", LIMITED)
def test_limits_end_a_program(status: str, tmp_path: Path) -> None:
    text, limits = LIMITED[status]
    done = execute(text, tmp_path, tmp_path / "out", limits)
    assert done.status == status
    assert not (tmp_path / "out").exists()
    assert done.run_wall_s == 0
    if status == "failed":
        assert "the reason" in done.error


def test_a_file_that_is_too_large_and_a_warning_fail(tmp_path: Path) -> None:
    large = "import pathlib\ndef main(words):\n    pathlib.Path(words[-1]).write_bytes(bytes(3_000_000))\n"
    assert execute(large, tmp_path, tmp_path / "out", Limits(file_mb=1)).status == "failed"
    warning = "import warnings\ndef main(words):\n    warnings.warn('careful')\n"
    assert "careful" in execute(warning, tmp_path, tmp_path / "out").error


def test_processes_that_a_program_leaves_end_with_it(tmp_path: Path) -> None:
    """Start a child that would outlive the program."""
    mark = tmp_path / "child"
    text = (
        "import pathlib, subprocess, sys\ndef main(words):\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"    pathlib.Path({str(mark)!r}).write_text(str(child.pid))\n"
        "    raise ValueError\n"
    )
    execute(text, tmp_path, tmp_path / "out")
    path = Path("/proc") / mark.read_text() / "stat"
    deadline = time.monotonic() + 10
    while path.exists() and path.read_text().rpartition(")")[2].split()[0] not in "ZX":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_program_sees_no_variable_of_its_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "word")
    text = "import os\ndef main(words):\n    raise ValueError(sorted(os.environ), os.getcwd())\n"
    done = execute(text, tmp_path, tmp_path / "out")
    assert "SECRET" not in done.error
    assert "/program-" in done.error
