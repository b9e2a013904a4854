"""The engine and DVC on real repositories write one lock and agree on changes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from toys import HERE, dvc, dvc_status, lock_files, make_repository, plan_of, run_here, verdicts, write

from statewright.repository import declaration as engine
from statewright.repository.observation import observe
from statewright.repository.scope import targets
from statewright.workflow import WorkflowError

# A repository with every feature of dvc.yaml. Each command writes to a file outside that it ran.
FILES = {
    "raw/one.txt": "one\n",
    "raw/two.txt": "two\n",
    "raw/fixed.txt": "fixed\n",
    "held.txt": "held\n",
    "names.yaml": "greeting: hello\n",
    "other.json": '{"depth": 2}\n',
    "params.yaml": """
        width: 3            # number of rows
        block:
          rate: 0.5
          kind: a
        tags: [x, y]
        """,
    "dvc.yaml": """
        vars:
        - names.yaml
        - suffix: txt
        stages:
          several:
            cmd:
            - echo several >> {count}
            - mkdir -p made
            - cat raw/one.${{suffix}} raw/two.${{suffix}} > made/both.${{suffix}}
            - echo ${{greeting}} > made/greeting.txt
            deps: [raw/one.txt, raw/two.txt]
            outs: [made/both.txt, made/greeting.txt]
            desc: Several commands.
          folder:
            cmd: >-
              echo folder >> {count} && mkdir -p parts/in
              && cp made/both.txt parts/a && cp raw/one.txt parts/in/b
            deps: [made/both.txt, raw/one.txt]
            params: [width]
            outs: [parts]
          inside:
            cmd: echo inside >> {count} && cat parts/in/b > inside.txt
            deps: [parts/in/b]
            outs: [inside.txt]
          score:
            cmd: >-
              echo score >> {count} && echo '{{"rmse": {{"joy": 0.5, "n": 3}}, "ok": true}}' > score.json
              && printf 'epoch,loss\\n0,1.5\\n1,0.5\\n' > history.csv
            deps: [parts]
            params: [block, tags, {{other.json: [depth]}}]
            metrics: [{{score.json: {{cache: false}}}}]
            plots: [{{history.csv: {{x: epoch, y: loss}}}}]
          frozen:
            cmd: "false"
            deps: [raw/fixed.txt]
            outs: [held.txt]
            frozen: true
          each:
            foreach: [one, two]
            do:
              cmd: echo each ${{item}} >> {count} && cat raw/${{item}}.txt > each-${{item}}.txt
              deps: ["raw/${{item}}.txt"]
              outs: ["each-${{item}}.txt"]
          grid:
            matrix: {{letter: [p, q]}}
            cmd: echo grid ${{item.letter}} >> {count} && cat each-one.txt > grid-${{item.letter}}.txt
            deps: [each-one.txt]
            outs: ["grid-${{item.letter}}.txt"]
          elsewhere:
            wdir: sub
            cmd: echo elsewhere >> {count} && cat ../made/both.txt > copy.txt
            deps: [../made/both.txt]
            outs: [copy.txt]
        """,
    "sub/params.yaml": "length: 7\n",
    "sub/dvc.yaml": """
        stages:
          nested:
            cmd: echo nested >> {count} && cat copy.txt copy.txt > twice.txt
            deps: [copy.txt]
            params: [length]
            outs: [{{twice.txt: {{cache: false}}}}]
          outer:
            cmd: echo outer >> {count} && cat ../inside.txt twice.txt > outer.txt
            deps: [../inside.txt, twice.txt]
            outs: [{{outer.txt: {{persist: true}}}}]
        """,
}
STAGES = {
    *("several", "folder", "inside", "score", "frozen", "each@one", "each@two", "grid@p", "grid@q"),
    *("elsewhere", "sub/dvc.yaml:nested", "sub/dvc.yaml:outer"),
}


class Project:
    """A repository that counts how often each stage has run."""

    def __init__(self, root: Path, count: Path) -> None:
        self.root = root
        self.count = count

    def copy(self, to: Path) -> Project:
        shutil.copytree(self.root, to, symlinks=True)
        shutil.rmtree(to / ".dvc" / "tmp", ignore_errors=True)
        return Project(to, self.count)

    def ran(self) -> list[str]:
        """Return the commands that ran since the last call."""
        lines = self.count.read_text().splitlines() if self.count.exists() else []
        self.count.unlink(missing_ok=True)
        return lines

    def edit(self, name: str, was: str, now: str) -> None:
        path = self.root / name
        text = path.read_text()
        assert was in text
        path.write_text(text.replace(was, now))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The repository before any run."""
    folder = tmp_path_factory.mktemp("project")
    count = folder / "count"
    files = {name: text.format(count=count) if "dvc.yaml" in name else text for name, text in FILES.items()}
    return Project(make_repository(folder / "fresh", files), count)


@pytest.fixture(scope="module")
def by_engine(fresh: Project) -> Project:
    """The repository after a run of the engine."""
    project = fresh.copy(fresh.root.parent / "engine")
    project.ran()
    outcomes = run_here(project.root)
    assert outcomes == {address: "done" if address == "frozen" else "ran" for address in STAGES}
    assert sorted(project.ran()) == sorted(
        [
            *["several", "folder", "inside", "score", "elsewhere", "nested", "outer"],
            "each one",
            "each two",
            "grid p",
            "grid q",
        ]
    )
    return project


@pytest.fixture(scope="module")
def by_dvc(fresh: Project, by_engine: Project) -> Project:
    """The repository after ``dvc repro --all-pipelines``."""
    project = fresh.copy(fresh.root.parent / "dvc")
    assert dvc(project.root, "repro", "--all-pipelines", "--quiet") == 0
    project.ran()
    return project


@pytest.fixture
def up_to_date(by_engine: Project, tmp_path: Path) -> Project:
    """A copy of the repository that is up to date."""
    project = by_engine.copy(tmp_path / "project")
    project.ran()
    return project


# DVC agrees with a run of the engine, and the engine with a run of DVC.


def test_the_lock_is_what_dvc_repro_writes(by_engine: Project, by_dvc: Project) -> None:
    locks = lock_files(by_engine.root)
    assert locks == lock_files(by_dvc.root)
    assert set(locks) == {"dvc.lock", "sub/dvc.lock"}


def test_files_and_cache_are_those_of_dvc_repro(by_engine: Project, by_dvc: Project) -> None:
    def files(root: Path) -> set[str]:
        return {
            str(path.relative_to(root))
            for path in root.rglob("*")
            if path.is_file() and not {".git", "tmp", ".statewright"} & set(path.relative_to(root).parts)
        }

    assert files(by_engine.root) == files(by_dvc.root)
    assert (by_engine.root / "sub" / ".gitignore").read_text() == (
        by_dvc.root / "sub" / ".gitignore"
    ).read_text()


def test_after_a_run_dvc_status_is_clean_and_dvc_repro_runs_nothing(by_engine: Project) -> None:
    before = lock_files(by_engine.root)
    assert dvc_status(by_engine.root) == {}
    assert dvc(by_engine.root, "repro", "--all-pipelines", "--quiet") == 0
    assert by_engine.ran() == []
    assert lock_files(by_engine.root) == before


def test_after_dvc_repro_the_plan_skips_everything(by_dvc: Project) -> None:
    assert verdicts(by_dvc.root) == dict.fromkeys(STAGES, "skip")
    assert run_here(by_dvc.root) == {}


def test_the_lock_after_a_change_is_what_dvc_repro_writes(up_to_date: Project, tmp_path: Path) -> None:
    up_to_date.edit("params.yaml", "width: 3", "width: 4")
    write(up_to_date.root, {"raw/two.txt": "second\n"})
    other = up_to_date.copy(tmp_path / "other")
    run_here(up_to_date.root)
    ran = up_to_date.ran()
    assert dvc(other.root, "repro", "--all-pipelines", "--quiet") == 0
    assert sorted(ran) == sorted(up_to_date.ran())
    assert lock_files(up_to_date.root) == lock_files(other.root)
    assert dvc_status(up_to_date.root) == {}


# The declaration as DVC resolves it.


def test_the_declaration_is_resolved_by_dvc(by_engine: Project) -> None:
    workflow = engine.declare(engine.open_repository(by_engine.root))
    assert set(workflow.stages) == STAGES
    several = workflow.stages["several"]
    assert several.cmd[2] == "cat raw/one.txt raw/two.txt > made/both.txt"
    assert several.cmd[3] == "echo hello > made/greeting.txt"
    assert several.desc == "Several commands."
    score = workflow.stages["score"]
    assert {(out.path, out.role, out.cached, out.x) for out in score.outs} == {
        ("score.json", "metric", False, None),
        ("history.csv", "plot", True, "epoch"),
    }
    assert score.params == {"params.yaml": ("block", "tags"), "other.json": ("depth",)}
    assert workflow.stages["elsewhere"].wdir == "sub"
    assert workflow.stages["elsewhere"].deps == ("made/both.txt",)
    assert workflow.upstream["sub/dvc.yaml:outer"] == ("inside", "sub/dvc.yaml:nested")
    assert workflow.upstream["inside"] == ("folder",)
    assert workflow.params["params.yaml"]["block"] == {"rate": 0.5, "kind": "a"}
    assert workflow.params["sub/params.yaml"] == {"length": 7}
    order = list(workflow.stages)
    assert all(order.index(up) < order.index(a) for a in order for up in workflow.upstream[a])


def test_the_state_holds_the_metrics_and_equal_files_have_one_digest(
    by_engine: Project, by_dvc: Project
) -> None:
    states = []
    for project in (by_engine, by_dvc):
        repository = engine.open_repository(project.root)
        states.append(observe(repository, engine.declare(repository)))
    assert states[0].metrics == {"score.json:rmse.joy": 0.5, "score.json:rmse.n": 3.0}
    assert states[0].digest == states[1].digest


def test_targets_are_stages_files_and_dvc_files(by_engine: Project) -> None:
    repository = engine.open_repository(by_engine.root)
    assert targets(repository, ["inside"]) == ("inside",)
    assert targets(repository, ["each-one.txt"]) == ("each@one",)
    assert set(targets(repository, ["each"])) == {"each@one", "each@two"}
    assert set(targets(repository, ["sub/dvc.yaml"])) == {"sub/dvc.yaml:nested", "sub/dvc.yaml:outer"}
    with pytest.raises(WorkflowError, match="did you mean inside"):
        targets(repository, ["insde"])


def test_a_name_before_a_hyphen_is_a_pipeline(tmp_path: Path) -> None:
    stages = "".join(
        f"  {name}:\n    cmd: echo {name}\n" for name in ("wash-fetch", "wash-dry", "washer-fit", "iron")
    )
    repository = engine.open_repository(make_repository(tmp_path / "toy", {"dvc.yaml": f"stages:\n{stages}"}))
    assert set(targets(repository, ["wash"])) == {"wash-fetch", "wash-dry"}
    assert targets(repository, ["iron"]) == ("iron",)
    with pytest.raises(WorkflowError, match="is not a stage"):
        targets(repository, ["was"])


# The plan and DVC's status for each edit.

# Each case combines edits of different stages, with the stages that they change directly.
EDITS: Mapping[str, tuple[set[str], Callable[[Project], Any]]] = {
    "irrelevant edits": (
        set(),
        lambda z: (
            z.edit("params.yaml", "# number of rows", "# rows"),
            z.edit("params.yaml", "rate: 0.5", "rate: 5.0e-1"),
            z.edit("dvc.yaml", "desc: Several commands.", "meta: {cpu: 2}"),
            write(z.root, {"raw/fixed.txt": "the input of a frozen stage\n"}),
        ),
    ),
    "a source, a command, a nested params file": (
        {"several", "folder", "each@one", "inside", "sub/dvc.yaml:nested"},
        lambda z: (
            write(z.root, {"raw/one.txt": "uno\n"}),
            z.edit("dvc.yaml", "cat parts/in/b >", "cat ./parts/in/b >"),
            z.edit("sub/params.yaml", "7", "8"),
        ),
    ),
    "a missing source, a null key in a block": (
        {"several", "each@two", "score"},
        lambda z: (
            (z.root / "raw/two.txt").unlink(),
            z.edit("params.yaml", "kind: a", "kind: a\n  more: null"),
        ),
    ),
    "one command of several, a key deep in a block, a dependency declared": (
        {"several", "score", "inside"},
        lambda z: (
            z.edit("dvc.yaml", "- mkdir -p made\n", "- mkdir -p ./made\n"),
            z.edit("params.yaml", "rate: 0.5", "rate: 0.25"),
            z.edit("dvc.yaml", "deps: [parts/in/b]", "deps: [parts/in/b, held.txt]"),
        ),
    ),
    "a missing key, a list": (
        {"folder", "score"},
        lambda z: (
            z.edit("params.yaml", "width: 3", "breadth: 3"),
            z.edit("params.yaml", "[x, y]", "[x, y, z]"),
        ),
    ),
    "a template variable, a JSON params file, outputs edited": (
        {"several", "score", "grid@p"},
        lambda z: (
            z.edit("names.yaml", "hello", "salve"),
            z.edit("other.json", "2", "3"),
            write(z.root, {"grid-p.txt": "else\n"}),
        ),
    ),
    "dependency, param and output dropped": (
        set(),
        lambda z: (
            z.edit("dvc.yaml", "deps: [raw/one.txt, raw/two.txt]", "deps: [raw/one.txt]"),
            z.edit("dvc.yaml", "params: [block, tags,", "params: [block,"),
            z.edit("dvc.yaml", "outs: [made/both.txt, made/greeting.txt]", "outs: [made/both.txt]"),
        ),
    ),
    "param declared": (
        {"folder"},
        lambda z: z.edit("dvc.yaml", "params: [width]", "params: [width, tags]"),
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_the_plan_sees_a_change_where_dvc_status_sees_one(up_to_date: Project, edit: str) -> None:
    expected, change = EDITS[edit]
    change(up_to_date)
    assert set(dvc_status(up_to_date.root)) == expected
    plan = plan_of(up_to_date.root)
    assert {a for a, d in plan.decisions.items() if {r.kind for r in d.reasons} - {"upstream"}} == expected


def test_a_restored_output_changes_no_user(up_to_date: Project) -> None:
    """Restore a missing output: DVC reports its users as changed, but they are not."""
    (up_to_date.root / "inside.txt").unlink()
    assert set(dvc_status(up_to_date.root)) == {"inside", "sub/dvc.yaml:outer"}
    assert {a: v for a, v in verdicts(up_to_date.root).items() if v != "skip"} == {"inside": "restore"}


def test_a_change_propagates_only_through_outputs_that_change(up_to_date: Project) -> None:
    up_to_date.edit("params.yaml", "width: 3", "width: 4")  # folder writes the same bytes
    write(up_to_date.root, {"grid-p.txt": "damaged\n"})
    assert {a: v for a, v in verdicts(up_to_date.root).items() if v != "skip"} == {
        "folder": "must",
        "inside": "may",
        "score": "may",
        "sub/dvc.yaml:outer": "may",
        "grid@p": "restore",
    }
    assert run_here(up_to_date.root) == {
        "folder": "ran",
        "inside": "skipped",
        "score": "skipped",
        "sub/dvc.yaml:outer": "skipped",
        "grid@p": "restored",
    }
    assert up_to_date.ran() == ["folder"]
    assert dvc_status(up_to_date.root) == {}
    assert set(verdicts(up_to_date.root).values()) == {"skip"}


# The run cache: reset params and missing outputs.


def test_a_parameter_that_is_reset_restores_outputs_and_runs_nothing(up_to_date: Project) -> None:
    lock = lock_files(up_to_date.root)
    up_to_date.edit("params.yaml", "rate: 0.5", "rate: 0.25")
    up_to_date.edit("params.yaml", "width: 3", "width: 4")
    assert {a for a, v in verdicts(up_to_date.root).items() if v == "must"} == {"folder", "score"}
    run_here(up_to_date.root)
    assert sorted(up_to_date.ran()) == ["folder", "score"]
    up_to_date.edit("params.yaml", "rate: 0.25", "rate: 0.5")
    up_to_date.edit("params.yaml", "width: 4", "width: 3")
    planned = verdicts(up_to_date.root)
    # the users of folder are up to date, because the restored bytes are those of their record
    assert {a: v for a, v in planned.items() if v != "skip"} == {"folder": "restore", "score": "restore"}
    assert run_here(up_to_date.root) == {"folder": "restored", "score": "restored"}
    assert up_to_date.ran() == []
    assert lock_files(up_to_date.root) == lock
    assert dvc_status(up_to_date.root) == {}


def test_a_source_that_is_reset_restores_the_whole_chain(up_to_date: Project) -> None:
    write(up_to_date.root, {"raw/two.txt": "second\n"})
    run_here(up_to_date.root)
    assert "several" in up_to_date.ran()
    write(up_to_date.root, {"raw/two.txt": "two\n"})
    planned = verdicts(up_to_date.root)
    assert {a for a, v in planned.items() if v == "restore"} >= {
        "several",
        "folder",
        "score",
        "each@two",
        "elsewhere",
    }
    outcomes = run_here(up_to_date.root)
    for address, verdict in planned.items():
        if verdict == "restore":
            assert outcomes[address] == "restored"
        elif verdict == "skip":
            assert address not in outcomes
    # stages with an output outside the cache run again: DVC does not cache their runs
    assert up_to_date.ran() == ["nested", "outer"]
    assert (up_to_date.root / "made/both.txt").read_text() == "one\ntwo\n"
    assert dvc_status(up_to_date.root) == {}


def test_a_lost_output_is_restored_from_the_cache(up_to_date: Project) -> None:
    shutil.rmtree(up_to_date.root / "parts")
    # the plan knows the hash of the folder, but not that of a file in it
    planned = {a: v for a, v in verdicts(up_to_date.root).items() if v != "skip"}
    assert planned == {"folder": "restore", "inside": "may", "sub/dvc.yaml:outer": "may"}
    outcomes = run_here(up_to_date.root)
    assert outcomes == {"folder": "restored", "inside": "skipped", "sub/dvc.yaml:outer": "skipped"}
    assert up_to_date.ran() == []
    assert (up_to_date.root / "parts/in/b").read_text() == "one\n"


def test_without_the_cache_a_lost_output_is_computed_again(up_to_date: Project) -> None:
    (up_to_date.root / "made/greeting.txt").unlink()
    shutil.rmtree(up_to_date.root / ".dvc" / "cache" / "files")
    assert verdicts(up_to_date.root)["several"] == "must"
    assert run_here(up_to_date.root)["several"] == "ran"
    assert (up_to_date.root / "made/greeting.txt").read_text() == "hello\n"


def test_force_runs_although_nothing_changed(up_to_date: Project) -> None:
    lock = lock_files(up_to_date.root)
    assert run_here(up_to_date.root, force=["several"])["several"] == "ran"
    assert up_to_date.ran() == ["several"]
    assert lock_files(up_to_date.root) == lock


def test_a_clone_with_the_cache_restores_all_cached_runs(
    by_engine: Project, fresh: Project, tmp_path: Path
) -> None:
    project = fresh.copy(tmp_path / "clone")
    shutil.copytree(by_engine.root / ".dvc" / "cache", project.root / ".dvc" / "cache")
    project.ran()
    planned = verdicts(project.root)
    outcomes = run_here(project.root)
    assert {a for a, v in planned.items() if v == "restore"} <= {
        a for a, o in outcomes.items() if o == "restored"
    }
    assert planned["several"] == "restore"
    assert lock_files(project.root) == lock_files(by_engine.root)


# Stages that always run, and invalid repositories.


def test_a_stage_that_always_runs_does_not_rerun_its_users(tmp_path: Path) -> None:
    count = tmp_path / "count"
    root = make_repository(
        tmp_path / "repo",
        {
            "dvc.yaml": f"""
                stages:
                  clock:
                    cmd: echo clock >> {count} && echo noon > clock.txt
                    outs: [clock.txt]
                    always_changed: true
                  sensor:
                    cmd: echo sensor >> {count}
                    always_changed: true
                  user:
                    cmd: echo user >> {count} && cat clock.txt > user.txt
                    deps: [clock.txt]
                    outs: [user.txt]
                """
        },
    )
    project = Project(root, count)
    run_here(root)
    assert sorted(project.ran()) == ["clock", "sensor", "user"]
    plan = plan_of(root)
    assert {a: d.verdict for a, d in plan.decisions.items()} == {
        "clock": "must",
        "sensor": "must",
        "user": "may",
    }
    assert [r.kind for r in plan.decisions["clock"].reasons] == ["always"]
    assert run_here(root) == {"clock": "ran", "sensor": "ran", "user": "skipped"}
    assert sorted(project.ran()) == ["clock", "sensor"]
    lock = lock_files(root)
    assert dvc(root, "repro", "--quiet") == 0
    assert sorted(project.ran()) == ["clock", "sensor"]
    assert lock_files(root) == lock


def test_a_data_file_tracked_by_dvc_is_an_ordinary_input(tmp_path: Path) -> None:
    root = make_repository(
        tmp_path / "repo",
        {
            "song.txt": "la\n",
            "dvc.yaml": """
                stages:
                  louder:
                    cmd: tr a A < song.txt > loud.txt
                    deps: [song.txt]
                    outs: [loud.txt]
                """,
        },
    )
    assert dvc(root, "add", "--quiet", "song.txt") == 0
    assert verdicts(root) == {"song.txt.dvc": "skip", "louder": "must"}
    run_here(root)
    assert dvc_status(root) == {}
    write(root, {"song.txt": "lala\n"})
    # DVC will record the file on disk, so that its hash decides about its user
    assert verdicts(root) == {"song.txt.dvc": "may", "louder": "must"}
    assert run_here(root) == {"song.txt.dvc": "done", "louder": "ran"}
    assert (root / "loud.txt").read_text() == "lAlA\n"


BROKEN = {
    "invalid YAML": ("stages: [", "dvc.yaml"),
    "a misspelt field": ("stages:\n  a:\n    cmd: x\n    dep: [b]\n", "dvc.yaml"),
    "an undefined variable": ("stages:\n  a:\n    cmd: echo ${absent}\n", "absent"),
    "a cycle": (
        "stages:\n  a: {cmd: x, deps: [p], outs: [q]}\n  b: {cmd: x, deps: [q], outs: [r]}\n"
        "  c: {cmd: x, deps: [r], outs: [p]}\n",
        "dependency and an output",
    ),
    "one output of two stages": (
        "stages:\n  a: {cmd: x, outs: [p]}\n  b: {cmd: x, outs: [p]}\n",
        "p",
    ),
}


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repository(tmp_path_factory.mktemp("broken") / "repo", {})


@pytest.mark.parametrize("kind", BROKEN)
def test_an_invalid_declaration_is_an_error_with_the_message_of_dvc(breakable: Path, kind: str) -> None:
    text, words = BROKEN[kind]
    (breakable / "dvc.yaml").write_text(text)
    with pytest.raises(WorkflowError, match=words):
        repository = engine.open_repository(breakable)
        observe(repository, engine.declare(repository))


def test_no_repository_is_an_error_with_the_command_that_creates_one(tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match="dvc init"):
        engine.open_repository(tmp_path)


def test_a_failed_command_leaves_the_record_of_finished_stages(tmp_path: Path) -> None:
    root = make_repository(
        tmp_path / "repo",
        {
            "dvc.yaml": """
                stages:
                  good: {cmd: echo 1 > good.txt, outs: [good.txt]}
                  bad: {cmd: "cat good.txt > bad.txt; exit 3", deps: [good.txt], outs: [bad.txt]}
                """
        },
    )
    with pytest.raises(RuntimeError, match="stage 'bad' ended with status 3"):
        run_here(root)
    lock = YAML(typ="safe").load((root / "dvc.lock").read_text())
    assert set(lock["stages"]) == {"good"}
    assert verdicts(root) == {"good": "skip", "bad": "must"}


# Files are replaced atomically: a kill leaves the old file.


def test_a_kill_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("old")
    script = """
import os, signal, sys
from pathlib import Path
from statewright.files import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half of the ne")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script, str(path)], cwd=HERE, check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_a_kill_while_recording_leaves_a_lock_that_dvc_reads(tmp_path: Path) -> None:
    """Kill the process between the write of the new lock and its renaming."""
    root = make_repository(
        tmp_path / "repo",
        {
            "dvc.yaml": """
                stages:
                  one: {cmd: echo 1 > one.txt, outs: [one.txt]}
                  two: {cmd: cat one.txt > two.txt, deps: [one.txt], outs: [two.txt]}
                """
        },
    )
    script = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = [sys.argv[2]]
real, calls = Path.replace, []
def replace(self, target):
    if Path(target).name == "dvc.lock":
        calls.append(target)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
    return real(self, target)
Path.replace = replace
import toys
toys.run_here(Path(sys.argv[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(root), str(HERE / "tests" / "statewright")],
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    lock = YAML(typ="safe").load((root / "dvc.lock").read_text())
    assert set(lock["stages"]) == {"one"}
    assert verdicts(root)["two"] in ("must", "restore")
    run_here(root)
    assert dvc_status(root) == {}


def test_a_plan_can_be_printed_as_json(by_engine: Project) -> None:
    """Convert a real plan with hashes, params and tuples to JSON."""
    text = json.dumps(plan_of(by_engine.root).as_dict(), default=str)
    assert json.loads(text)["stages"]["score"]["verdict"] == "skip"
