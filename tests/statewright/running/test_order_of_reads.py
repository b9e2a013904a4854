"""Undeclared reads: runs end with the files of ``dvc repro``."""

from __future__ import annotations

import errno
import itertools
import json
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
from local_runs import counting, files_of, reproduce, run_local
from toys import commit, make_repository, write

from statewright.running import inotify
from statewright.running.watched_paths import PathEvent, WatchedPaths

# `slow` and `clean` make clean.csv late; `reader` opens it without declaring it.
LATE = """
stages:
  slow: {cmd: 'echo slow >> "$RAN"; sleep 1; cp raw.csv slow.csv', deps: [raw.csv], outs: [slow.csv]}
  clean: {cmd: 'echo clean >> "$RAN"; cp slow.csv clean.csv', deps: [slow.csv], outs: [clean.csv]}
  reader: {cmd: 'echo reader >> "$RAN"; cat clean.csv raw.csv > read.csv', deps: [raw.csv], outs: [read.csv]}
  below: {cmd: 'cp read.csv below.csv', deps: [read.csv], outs: [below.csv]}
"""
# The shape of a public tutorial: `transform` reads the clean file, but declares the raw one.
TUTORIAL = {
    "dvc.yaml": """
        stages:
          clean:
            cmd: python src/clean.py
            deps: [src/clean.py, data/raw/events.csv]
            outs: [data/clean/events.csv]
          transform:
            cmd: python src/transform.py
            deps: [src/transform.py, data/raw/events.csv]
            outs: [data/transformed/users.csv]
          features:
            cmd: python src/features.py
            deps: [src/features.py, data/transformed/users.csv]
            outs: [data/features]
        """,
    "src/clean.py": """
        import time
        from pathlib import Path

        rows = Path("data/raw/events.csv").read_text().splitlines()
        time.sleep(0.3)
        Path("data/clean").mkdir(parents=True, exist_ok=True)
        Path("data/clean/events.csv").write_text("\\n".join(row for row in rows if "nan" not in row) + "\\n")
        """,
    "src/transform.py": """
        from pathlib import Path

        from shared import totals

        Path("data/transformed").mkdir(parents=True, exist_ok=True)
        Path("data/transformed/users.csv").write_text(totals(Path("data/clean/events.csv").read_text()))
        """,
    "src/shared.py": """
        def totals(text):
            sums = {}
            for row in text.splitlines()[1:]:
                user, amount = row.split(",")
                sums[user] = sums.get(user, 0) + int(amount)
            return "".join(f"{user},{amount}\\n" for user, amount in sorted(sums.items()))
        """,
    "src/features.py": """
        from pathlib import Path

        Path("data/features").mkdir(parents=True, exist_ok=True)
        for row in Path("data/transformed/users.csv").read_text().splitlines():
            user, amount = row.split(",")
            Path(f"data/features/{user}.txt").write_text(str(int(amount) ** 2))
        """,
    "data/raw/events.csv": "user,amount\nada,3\nbob,nan\nada,4\nbob,5\n",
}


@pytest.fixture(autouse=True)
def no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the folders of sources as they are."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


def twins(tmp_path: Path, files: dict[str, str]) -> tuple[Path, Path]:
    ours = make_repository(tmp_path / "ours", files)
    commit(ours)
    theirs = tmp_path / "theirs"
    shutil.copytree(ours, theirs, symlinks=True)
    return ours, theirs


def learned(root: Path) -> dict[str, list[str]]:
    stages = json.loads((root / ".statewright" / "reads.json").read_text())["stages"]
    return {address: kept[-1]["paths"] for address, kept in stages.items()}


@pytest.mark.parametrize("workers", ["auto", 1, 4])
def test_tutorial_with_an_undeclared_read_ends_as_dvc_repro(tmp_path: Path, workers: int | str) -> None:
    ours, theirs = twins(tmp_path, TUTORIAL)

    for raw in (TUTORIAL["data/raw/events.csv"], "user,amount\nada,8\neve,9\n"):
        for root in (ours, theirs):
            write(root, {"data/raw/events.csv": raw})
        result = run_local(ours, workers)
        assert reproduce(theirs) == 0

        assert not result.errors
        assert files_of(ours) == files_of(theirs)
    assert learned(ours)["transform"] == ["data/clean/events.csv", "src/shared.py", "src/transform.py"]
    told = "\n".join(result.notices)
    assert (
        "transform reads data/clean/events.csv, made by clean, without declaring it: add it to deps" in told
    )
    assert "    - data/clean/events.csv" in told
    assert (
        "transform reads src/shared.py, which is not among its deps: a change there re-runs nothing" in told
    )
    assert "features reads" not in told


def test_learned_edge_keeps_the_order_while_other_stages_run_beside(tmp_path: Path) -> None:
    stages = """
        stages:
          clean: {cmd: sleep 0.3; cp raw.csv clean.csv, deps: [raw.csv], outs: [clean.csv]}
          reader: {cmd: cat clean.csv > read.csv; sleep 0.3, deps: [raw.csv], outs: [read.csv]}
          beside: {cmd: sleep 0.3; cp raw.csv beside.csv, deps: [raw.csv], outs: [beside.csv]}
        """
    root = make_repository(tmp_path / "toy", {"dvc.yaml": stages, "raw.csv": "1\n"})
    first = run_local(root, "auto").times
    write(root, {"raw.csv": "2\n"})

    second = run_local(root, "auto")

    ordered = sorted(first.values())
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ordered))
    times = second.times
    assert times["reader"][0] >= times["clean"][1]
    assert times["beside"][0] < times["clean"][1]
    assert (root / "read.csv").read_text() == "2\n"
    assert not any("ran again" in notice for notice in second.notices)


def test_stale_file_is_never_recorded_and_its_reader_runs_again(tmp_path: Path) -> None:
    ours, theirs = twins(tmp_path, {"dvc.yaml": LATE, "raw.csv": "1\n"})
    with counting(tmp_path):
        run_local(ours, 4)
        reproduce(theirs)
    (ours / ".statewright" / "reads.json").unlink()
    for root in (ours, theirs):
        write(root, {"raw.csv": "2\n"})

    with counting(tmp_path) as counts:
        result = run_local(ours, 4)
    with counting(tmp_path):
        reproduce(theirs)

    assert (ours / "below.csv").read_text() == "2\n2\n"
    assert files_of(ours) == files_of(theirs)
    assert counts == {"slow": 1, "clean": 1, "reader": 2}
    assert any("reader" in n and "opened clean.csv before clean had finished" in n for n in result.notices)
    assert learned(ours)["reader"] == ["clean.csv", "raw.csv"]

    write(ours, {"raw.csv": "3\n"})
    with counting(tmp_path) as counts:
        run_local(ours, 4)
    assert counts == {"slow": 1, "clean": 1, "reader": 1}
    assert (ours / "below.csv").read_text() == "3\n3\n"


def test_reader_runs_again_if_the_producer_finished_meanwhile(tmp_path: Path) -> None:
    stages = """
        stages:
          clean:
            cmd: 'echo clean >> "$RAN"; sleep 0.2; cp raw.csv clean.csv'
            deps: [raw.csv]
            outs: [clean.csv]
          reader:
            cmd: 'echo reader >> "$RAN"; sleep 0.9; cat clean.csv > read.csv'
            deps: [raw.csv]
            outs: [read.csv]
        """
    root = make_repository(tmp_path / "toy", {"dvc.yaml": stages, "raw.csv": "1\n"})

    with counting(tmp_path) as counts:
        run_local(root, 4)

    assert counts == {"clean": 1, "reader": 2}


def test_a_failure_that_no_earlier_stage_explains_is_not_repeated(tmp_path: Path) -> None:
    stages = """
        stages:
          same: {cmd: 'echo same >> "$RAN"; cp fixed.csv same.csv', deps: [fixed.csv], outs: [same.csv]}
          slow: {cmd: sleep 1; cp raw.csv slow.csv, deps: [raw.csv], outs: [slow.csv]}
          ice: {cmd: echo 1 > ice.csv, deps: [raw.csv], outs: [ice.csv], frozen: true}
          bad: {cmd: 'echo bad >> "$RAN"; echo reason; exit 7', deps: [raw.csv], outs: [bad.csv]}
        """
    root = make_repository(tmp_path / "toy", {"dvc.yaml": stages, "raw.csv": "1\n", "fixed.csv": "1\n"})

    with counting(tmp_path) as counts:
        result = run_local(root, 4)

    # `bad` may have missed a file of `slow`: it runs again, and the first error is in the notice.
    assert counts == {"same": 1, "bad": 2}
    told = "\n".join(result.notices)
    assert "bad failed before slow had finished" in told or "bad failed before same had finished" in told
    assert "ended with status 7: reason" in told
    # A frozen stage has no command that could have missed one.
    assert "ice failed" not in told
    assert result.outcomes["ice"] == "failed"

    write(root, {"raw.csv": "1\n"})
    with counting(tmp_path) as counts:
        assert run_local(root, 4, ["same", "bad"]).outcomes["bad"] == "failed"
    assert counts == {"bad": 1}


@pytest.mark.parametrize(
    "command",
    [
        "mv in.csv out.csv",
        "mv in.csv out.csv; false",
        "echo more >> in.csv; false",
        "mv in.csv out.csv; cat slow.csv",
    ],
)
def test_a_stage_that_changed_its_dependency_is_not_run_again(tmp_path: Path, command: str) -> None:
    stages = f"""
        stages:
          slow: {{cmd: sleep 1; cp raw.csv slow.csv, deps: [raw.csv], outs: [slow.csv]}}
          gone: {{cmd: '{command}', deps: [in.csv], outs: [out.csv]}}
        """
    files = {"dvc.yaml": stages, "raw.csv": "1\n", "in.csv": "precious\n"}
    root = make_repository(tmp_path / "toy", files)

    assert run_local(root, 4).outcomes == {"slow": "ran", "gone": "failed"}

    if "mv" in command:
        assert (root / "out.csv").read_text() == "precious\n"
    else:
        assert (root / "in.csv").read_text() == "precious\nmore\n"
    assert "gone" not in (root / "dvc.lock").read_text()


def test_failed_producer_leaves_nothing_for_its_reader(tmp_path: Path) -> None:
    stages = """
        stages:
          clean: {cmd: cp raw.csv clean.csv; test ! -e fail, deps: [raw.csv], outs: [clean.csv]}
          reader: {cmd: cat clean.csv > read.csv, deps: [raw.csv], outs: [read.csv]}
        """
    root = make_repository(tmp_path / "toy", {"dvc.yaml": stages, "raw.csv": "1\n", "fail": ""})

    first = run_local(root, "auto")

    assert first.outcomes == {"clean": "failed", "reader": "failed"}
    assert "opened clean.csv before clean had finished" in first.errors["reader"]
    assert "dvc.lock" not in files_of(root)
    (root / "fail").unlink()
    assert run_local(root, "auto").outcomes == {"clean": "ran", "reader": "ran"}
    write(root, {"raw.csv": "2\n", "fail": ""})
    assert run_local(root, "auto").outcomes == {"clean": "failed", "reader": "blocked"}


@pytest.mark.parametrize("links", ["copy", "hardlink", "symlink"])
def test_reads_are_seen_through_links_and_in_folders(tmp_path: Path, links: str) -> None:
    stages = """
        stages:
          one: {cmd: cp raw.csv one.csv, deps: [raw.csv], outs: [one.csv]}
          same: {cmd: cp raw.csv same.csv, deps: [raw.csv], outs: [same.csv]}
          folder: {cmd: mkdir -p d/e && cp raw.csv d/e/x.csv, deps: [raw.csv], outs: [d]}
          reader: {cmd: cat one.csv d/e/x.csv > read.csv, outs: [read.csv]}
          quiet: {cmd: echo 1 > quiet.csv, outs: [quiet.csv]}
        """
    root = make_repository(tmp_path / "toy", {"dvc.yaml": stages, "raw.csv": "1\n"})
    with (root / ".dvc" / "config").open("a") as config:
        config.write(f"[cache]\n    type = {links}\n")

    run_local(root, "auto")

    reads = learned(root)
    # Equal bytes are one file of the cache, so a link does not tell which of its outputs was opened.
    assert set(reads["reader"]) - {"same.csv"} == {"one.csv", "d"}
    assert links == "symlink" or "same.csv" not in reads["reader"]
    assert reads["quiet"] == []


def test_dependency_edited_while_its_stage_runs_is_not_recorded(tmp_path: Path) -> None:
    stages = """
        stages:
          slow:
            cmd: |
              cp raw.csv out.csv; touch go
              for i in $(seq 400); do grep -q 2 raw.csv && break; sleep 0.05; done
            deps: [raw.csv]
            outs: [out.csv]
        """
    root = make_repository(tmp_path / "toy", {"dvc.yaml": stages, "raw.csv": "1\n"})

    def edit() -> None:
        deadline = time.monotonic() + 20
        while not (root / "go").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        (root / "raw.csv").write_text("2\n")

    editor = threading.Thread(target=edit)
    editor.start()
    result = run_local(root, "auto")
    editor.join()

    assert "raw.csv changed while the command ran" in result.errors["slow"]
    assert not (root / "dvc.lock").exists()
    assert run_local(root, "auto").outcomes == {"slow": "ran"}
    assert (root / "out.csv").read_text() == "2\n"


def test_stage_that_declares_to_rewrite_its_dependency_is_recorded_as_by_dvc(tmp_path: Path) -> None:
    stages = """
        stages:
          self:
            cmd: echo z >> in.txt; cp in.txt out.txt
            deps: [in.txt]
            outs: [out.txt]
            meta: {rewrites: [in.txt]}
        """
    ours, theirs = twins(tmp_path, {"dvc.yaml": stages, "in.txt": "1\n"})

    assert run_local(ours, "auto").outcomes == {"self": "ran"}
    reproduce(theirs)

    assert files_of(ours) == files_of(theirs)


@pytest.mark.parametrize(
    "command",
    [
        "echo z >> in.txt; cp in.txt out.txt",
        "cp in.txt out.txt; for i in 1 2 3; do echo $i >> in.txt; done",
        "truncate -s 1 in.txt; cp in.txt out.txt",
        "sort -r -o in.txt in.txt; cp in.txt out.txt; echo 5 > folder/x; echo 6 | tee folder/y",
        "sed -i s/3/4/ in.txt; cp in.txt out.txt",
        "cat in.txt made.txt > new; mv new in.txt; cp in.txt out.txt",
        "echo 8 >> made.txt; cp made.txt out.txt",
        "echo z >> in.txt; cp in.txt out.txt; false",
        "mv in.txt out.txt",
    ],
)
def test_a_command_that_changes_its_dependency_is_recorded_as_by_dvc(tmp_path: Path, command: str) -> None:
    stages = f"""
        stages:
          make: {{cmd: echo 7 > made.txt, outs: [made.txt]}}
          self:
            cmd: |
              {command}
            deps: [in.txt, folder, made.txt]
            outs: [out.txt]
        """
    files = {"dvc.yaml": stages, "in.txt": "1\n3\n", "folder/x": "a\n", "folder/y": "b\n"}
    ours, theirs = twins(tmp_path, files)

    result = run_local(ours, "auto")
    failed = reproduce(theirs, "-k") != 0

    kept, expected = files_of(ours), files_of(theirs)
    kept.pop(".gitignore"), expected.pop(".gitignore", None)  # DVC removes the entries after a failure
    assert kept == expected
    assert result.failed == failed, result.errors
    assert failed or any("`meta: {rewrites: [" in notice for notice in result.notices)


@pytest.mark.parametrize("own", ["", "echo own >> in.txt; ", "date +%s%N > in.txt; "])
@pytest.mark.parametrize("edit", ["echo 2 > in.txt", "echo 2 >> in.txt", "echo 2 > new; mv new in.txt"])
def test_an_edit_of_somebody_else_is_never_taken_for_a_change_of_the_command(
    tmp_path: Path, edit: str, own: str
) -> None:
    stages = f"""
        stages:
          self:
            cmd: |
              cp in.txt out.txt; {own}touch go
              for i in $(seq 100); do test -e done && break; sleep 0.05; done
            deps: [in.txt]
            outs: [out.txt]
        """
    root = make_repository(tmp_path / "toy", {"dvc.yaml": stages, "in.txt": "1\n", ".gitignore": "go\n"})
    commit(root)
    waiting = f"for i in $(seq 400); do test -e go && break; sleep 0.02; done; {edit}; touch done"

    with subprocess.Popen(["sh", "-c", waiting], cwd=root):
        result = run_local(root, 1)

    assert "in.txt changed while the command ran" in result.errors["self"]
    assert "add `meta: {rewrites: [in.txt]}` in stage self of dvc.yaml" in result.errors["self"]
    assert not (root / "dvc.lock").exists()


def test_bytecode_in_a_declared_folder_is_no_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE")
    files = {
        "dvc.yaml": "stages:\n  use: {cmd: python -m src.use, deps: [src], outs: [out.txt]}\n",
        "src/other.py": "VALUE = 1\n",
        "src/use.py": "from src.other import VALUE\nopen('out.txt', 'w').write(str(VALUE))\n",
    }
    root = make_repository(tmp_path / "toy", files)

    assert run_local(root, "auto").outcomes == {"use": "ran"}
    assert list((root / "src").rglob("*.pyc"))


def test_without_inotify_stages_run_in_order_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: inotify.Inotify) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(inotify.Inotify, "__init__", refuse)
    root = make_repository(tmp_path / "toy", {"dvc.yaml": LATE, "raw.csv": "1\n"})

    with counting(tmp_path) as counts:
        result = run_local(root, "auto")

    assert counts == {"slow": 1, "clean": 1, "reader": 1}
    assert sum("cannot be observed here (Too many open files)" in notice for notice in result.notices) == 1
    assert (root / "below.csv").read_text() == "1\n1\n"


def test_lost_events_are_treated_as_reads_of_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_repository(tmp_path / "toy", {"dvc.yaml": LATE, "raw.csv": "1\n"})
    monkeypatch.setattr(WatchedPaths, "events", lambda _: iter([PathEvent((), inotify.OVERFLOWED)]))

    with counting(tmp_path) as counts:
        run_local(root, 4)

    assert counts["reader"] == 2
    assert not (root / ".statewright" / "reads.json").exists()


@pytest.mark.parametrize("links", ["copy", "hardlink", "symlink"])
def test_declared_reads_never_make_a_stage_run_again(tmp_path: Path, links: str) -> None:
    def stage(name: str, deps: str, seconds: float) -> str:
        copy = f"mkdir -p {name}/in && cat s0 > {name}/in/1 && cat {deps or 's0'} > {name}/2"
        make = f"{copy} && echo {name} | tee -a {name}/in/1 >> {name}/2"
        return (
            f"  {name}: {{cmd: 'echo {name} >> \"$RAN\"; {make}; sleep {seconds}', "
            f"deps: [{deps.replace(' ', ', ') or 's0'}], outs: [{name}]}}\n"
        )

    names = {"a": "", "b": "", "c": "", "d": "a/2 b/2", "e": "b/2", "f": "d/2 c/2", "g": ""}
    text = "stages:\n" + "".join(stage(n, deps, 0.1 * (i % 3)) for i, (n, deps) in enumerate(names.items()))
    root = make_repository(tmp_path / "toy", {"dvc.yaml": text, "s0": "1\n"})
    with (root / ".dvc" / "config").open("a") as config:
        config.write(f"[cache]\n    type = {links}\n")

    for source in ("1\n", "2\n", "3\n"):
        write(root, {"s0": source})
        with counting(tmp_path) as counts:
            result = run_local(root, 4)
        assert counts == dict.fromkeys(names, 1), result.notices


def test_reader_of_a_file_that_no_stage_declares_keeps_running_alone(tmp_path: Path) -> None:
    stages = """
        stages:
          clean:
            cmd: sleep 0.4; cp raw.csv hidden.csv; cp raw.csv clean.csv
            deps: [raw.csv]
            outs: [clean.csv]
          reader: {cmd: cat hidden.csv > read.csv; echo 1 >> log, deps: [raw.csv], outs: [read.csv]}
          beside: {cmd: cat raw.csv > beside.csv; echo 2 >> log, deps: [raw.csv], outs: [beside.csv]}
        """
    ours, theirs = twins(tmp_path, {"dvc.yaml": stages, "raw.csv": "1\n"})

    for source, workers in {"1\n": "auto", "2\n": "auto", "3\n": "auto", "4\n": 4}.items():
        for root in (ours, theirs):
            write(root, {"raw.csv": source})
        result = run_local(ours, workers)
        assert reproduce(theirs) == 0
        kept, expected = files_of(ours), files_of(theirs)
        del kept["log"], expected["log"]  # with 4 workers, two stages append to it in any order
        assert kept == expected
    assert any("reader reads hidden.csv, which clean writes" in notice for notice in result.notices)
    assert not any("log" in notice for notice in result.notices)
