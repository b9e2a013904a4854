"""The command line: help, exit statuses, output and error streams."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from toys import HERE, make_repository, run_here, statewright, write

from statewright.cli import build_parser, main

COMMANDS = ["plan", "run", "loop", "check", "doctor", "ui", "fingerprint"]
FILES = {
    "source.txt": "a\n",
    "params.yaml": "width: 3   # of the copy\n",
    "dvc.yaml": """
        stages:
          copy:
            cmd: cat source.txt > copy.txt
            deps: [source.txt]
            params: [width]
            outs: [copy.txt]
          score:
            cmd: 'echo ''{"rmse": 0.123456, "n": 3}'' > score.json'
            deps: [copy.txt]
            metrics: [score.json]
            meta: {show: ["score.json:rmse", "score.json:n", copy.txt, absent.txt]}
        """,
}


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_repository(tmp_path_factory.mktemp("cli") / "repo", FILES)
    run_here(root)
    return root


Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(settled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    """Function that runs a command line in the repository: status, output, errors."""
    write(settled, FILES)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, root: Path = settled) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(["-C", str(root), *arguments])
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        build_parser().parse_args([command, "--help"])
    assert end.value.code == 0
    assert f"usage: statewright {command}" in capsys.readouterr().out


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["--help"])
    text = capsys.readouterr().out
    assert all(f"\n    {command}" in text for command in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sing"],
        ["run", "--workers", "0"],
        ["run", "--workers", "two"],
        ["loop", "--rounds", "0"],
        ["fingerprint"],
    ],
)
def test_an_invalid_command_line_is_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--workers", "two"], "--workers: 'two': expected a whole number of 1 or more"),
        (["loop", "--patience", "1.5"], "--patience: '1.5': expected a whole number of 1 or more"),
        (["loop", "--budget", "soon"], "--budget: 'soon': expected a number of 0 or more"),
        (["loop", "--budget", "inf"], "--budget: 'inf': expected a number of 0 or more"),
    ],
)
def test_an_invalid_number_names_the_value_and_the_expected_range(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err


def test_plan_prints_to_stdout_and_changes_nothing(say: Say, settled: Path) -> None:
    write(settled, {"source.txt": "b\n"})
    before = (settled / "dvc.lock").read_bytes()
    code, out, err = say("plan")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split(maxsplit=2) == ["copy", "must", "source.txt changed"]
    assert out.splitlines()[-1] == "1 stage will run and 1 may run: source.txt changed"
    assert (settled / "dvc.lock").read_bytes() == before
    assert (settled / "copy.txt").read_text() == "a\n"


def test_plan_of_a_target_as_json(say: Say) -> None:
    code, out, _ = say("plan", "copy", "--json")
    assert code == 0
    values = json.loads(out)
    assert values["stages"] == {"copy": {"verdict": "skip", "reasons": [], "seconds": None}}
    assert (values["critical_path"], values["total_seconds"]) == ([], [0, 0])


def test_run_with_nothing_to_do_is_status_0_and_prints_the_figures(say: Say, settled: Path) -> None:
    code, out, err = say("run")
    assert code == 0
    assert "nothing to do: 2 stages are up to date" in err
    # The content of a text file is printed.
    assert out.splitlines() == ["score rmse: 0.1235", "score n: 3", "a"]


UNUSABLE = {
    "an unknown target": (("plan", "cpy"), "did you mean copy"),
    "an unknown params key": (("run", "--set", "widht=4"), "did you mean width"),
    "a value of another kind": (("run", "--set", "width=wide"), "cannot become"),
    "no assignment": (("run", "--set", "width"), "expected KEY=VALUE"),
    "no feedback stage": (("loop",), "meta.journal"),
    "a feedback stage without a journal": (("loop", "score"), "has no meta.journal"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_impossible_request_is_status_2_and_one_line(say: Say, settled: Path, kind: str) -> None:
    arguments, words = UNUSABLE[kind]
    code, out, err = say(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("statewright: ") and words in err and "Traceback" not in err
    assert (settled / "params.yaml").read_text() == FILES["params.yaml"]


def test_a_folder_without_a_repository_is_status_2(say: Say, tmp_path: Path) -> None:
    code, _, err = say("plan", root=tmp_path)
    assert code == 2 and "dvc init" in err


def test_a_broken_declaration_is_status_2(say: Say, settled: Path) -> None:
    write(settled, {"dvc.yaml": "stages: {copy: {command: x}}\n"})
    code, _, err = say("plan")
    assert code == 2 and "dvc.yaml" in err


def test_check_is_status_1_if_it_finds_a_fault(say: Say, settled: Path) -> None:
    assert say("check")[:2] == (0, "2 stages checked, 0 faults\n")
    write(settled, {"params.yaml": "breadth: 3\n"})
    code, out, _ = say("check")
    assert code == 1
    fault = "copy: params.yaml has no key 'width'; add it, or correct `params` in dvc.yaml"
    assert out == f"{fault}\n2 stages checked, 1 fault\n"


def test_doctor_is_status_1_if_a_check_fails(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = say("doctor")
    assert code == 0 and "FAIL" not in out
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    code, out, _ = say("doctor")
    assert code == 1 and "FAIL  MLflow: http://127.0.0.1:1 does not answer" in out


def test_fingerprint_writes_the_hashes_that_the_plan_predicts(say: Say, settled: Path) -> None:
    write(settled, {"tasks/__init__.py": "", "tasks/song.py": "def hum():\n    return 1\n"})
    code, out, _ = say("fingerprint", "--out", "code.json")
    assert (code, out) == (0, "code.json: code of 1 stage\n")
    assert list(json.loads((settled / "code.json").read_text())["song-hum"]) == ["tasks/song:hum"]
    write(settled, {"tasks/song.py": "def hum(:\n"})
    code, _, err = say("fingerprint", "--out", "code.json")
    assert code == 2 and "tasks/song.py cannot be parsed" in err
    write(settled, {"tasks/song.py": ""})


def test_the_module_is_the_command(settled: Path) -> None:
    done = statewright(settled, "plan", "nonsense")
    assert done.returncode == 2 and "'nonsense' is not a stage" in done.stderr


def test_a_plan_and_an_empty_run_import_neither_prefect_nor_mlflow(settled: Path) -> None:
    write(settled, FILES)
    script = (
        "import sys\nfrom statewright.cli import main\n"
        "for line in (['plan'], ['run']):\n"
        "    try:\n        main(line)\n    except SystemExit as end:\n        assert end.code == 0\n"
        "print('imported:', {'prefect', 'mlflow', 'pandas', 'numpy'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=settled,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "imported: set()" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["run", "copy"], "; `statewright run` resumes"),
        (["loop"], "; `statewright loop` resumes"),
        (["loop", "song-feedback", "--rounds", "2"], "; `statewright loop song-feedback` resumes"),
        (["plan"], ""),
    ],
)
def test_an_interrupted_command_names_the_one_that_resumes_it(
    arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(options: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    interrupted.__name__ = arguments[0]
    module = "planning" if arguments[0] == "plan" else "running"
    monkeypatch.setattr(f"statewright.commands.{module}.{arguments[0]}", interrupted)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert (end.value.code, capsys.readouterr().err) == (130, f"statewright: interrupted{hint}\n")


@pytest.mark.parametrize(
    ("leads", "status"), [(True, 130), (False, 0)], ids=["own group", "group of a script"]
)
def test_an_ignored_interrupt_ends_a_run_that_leads_its_group(
    tmp_path: Path, leads: bool, status: int
) -> None:
    # A script's `setsid statewright run &` starts with SIGINT ignored; `kill -INT` still means it.
    command = "touch go; for i in $(seq 1200); do test -e done && break; sleep 0.05; done; touch out"
    root = make_repository(tmp_path / "toy", {"dvc.yaml": f"stages:\n  a: {{cmd: {command}, outs: [out]}}\n"})
    run = subprocess.Popen(
        [sys.executable, "-m", "statewright", "run"],
        cwd=root,
        stderr=subprocess.DEVNULL,
        start_new_session=leads,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    deadline = time.monotonic() + 60
    while not (root / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    if not leads:
        (root / "done").touch()
    assert run.wait(50) == status
    assert (root / "out").exists() != leads
