"""Public repositories: the engine reads and plans them as DVC does.

For real `dvc.yaml` files of public repositories, the oracle is the recorded answer of DVC
(`expected.json`, `scenarios.json`). Rare features are written by hand below, with ``dvc status`` as
the oracle.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from ruamel.yaml import YAML
from toys import commit, dvc, dvc_status, make_repository, plan_of, run_here, verdicts, write

from statewright.cli import main
from statewright.planning.plan import Plan
from statewright.repository import declaration as engine
from statewright.session import open_session
from statewright.settled import recall
from statewright.terminal.plan_table import print_plan
from tests.external import external_data, external_path

Status = Mapping[str, Any]


def _cases() -> list[tuple[str, bool, bool]]:
    """Return (name, accepted by DVC, has scenarios) of each case.

    Without the corpus, the result has placeholders whose tests are skipped.
    """
    index = external_path("dvc-corpus", "index.csv")
    if not index.exists():
        return [("absent", True, True), ("absent", False, False)]
    with index.open(newline="", encoding="utf-8") as text:
        return [
            (row["case"], row["accepted"] == "yes", row["scenarios"] == "yes") for row in csv.DictReader(text)
        ]


CASES = _cases()
ACCEPTED = [name for name, accepted, _ in CASES if accepted]
REJECTED = [name for name, accepted, _ in CASES if not accepted]
CHANGED = [name for name, _, scenarios in CASES if scenarios]


def read(case: str, name: str) -> Any:
    """Return a recorded answer of DVC for a case."""
    return json.loads((external_data("dvc-corpus", case) / name).read_text(encoding="utf-8"))


def lay_out(case: str, root: Path) -> Path:
    """Create a git and DVC repository with the files of a case."""
    source = external_data("dvc-corpus", case)
    make_repository(root, {})
    (root / ".dvcignore").unlink(missing_ok=True)
    for path in source.rglob("*"):
        if path.is_file() and path.name not in ("expected.json", "scenarios.json"):
            target = root / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return root


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Function that returns an unchanged copy of a case, created once."""
    made: dict[str, Path] = {}

    def get(case: str) -> Path:
        if case not in made:
            made[case] = lay_out(case, tmp_path_factory.mktemp("case") / case)
        return made[case]

    return get


# Declarations.


@pytest.mark.parametrize("case", ACCEPTED)
def test_the_graph_is_dvcs(
    case: str, laid_out: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    expected = read(case, "expected.json")
    with pytest.raises(SystemExit) as end:
        main(["-C", str(laid_out(case)), "graph", "--json"])
    assert end.value.code == 0
    graph = json.loads(capsys.readouterr().out)
    assert {stage["address"]: stage for stage in graph["stages"]} == {
        stage["address"]: {
            "address": stage["address"],
            "cmd": stage["cmd"],
            "deps": Unordered([dep["path"] for dep in stage["deps"]]),
            "params": {item["file"]: item["keys"] for item in stage["params"]},
            "outs": Unordered([out["path"] for out in stage["outs"]]),
            "frozen": stage["frozen"],
            "always_changed": stage["always_changed"],
            "meta": stage["meta"],
        }
        for stage in expected["stages"]
    }
    assert graph["edges"] == sorted([edge["from"], edge["to"]] for edge in expected["edges"])
    assert sorted(graph["order"]) == sorted(expected["order"])
    assert_valid(graph["order"], expected)


class Unordered(list[str]):
    """List that equals any order of itself: DVC sorts some lists on writing."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and sorted(self) == sorted(other)

    __hash__ = None  # type: ignore[assignment]


def assert_valid(order: list[str], expected: Mapping[str, Any]) -> None:
    """Assert that each stage comes after its inputs; a frozen stage needs none."""
    position = {address: number for number, address in enumerate(order)}
    frozen = {stage["address"] for stage in expected["stages"] if stage["frozen"]}
    assert all(position[e["from"]] < position[e["to"]] for e in expected["edges"] if e["to"] not in frozen)


@pytest.mark.parametrize("case", ACCEPTED)
def test_the_workflow_has_the_folders_descriptions_and_values(
    case: str, laid_out: Callable[[str], Path]
) -> None:
    expected = read(case, "expected.json")
    workflow = engine.declare(engine.open_repository(laid_out(case)))
    for stage in expected["stages"]:
        ours = workflow.stages[stage["address"]]
        assert (ours.wdir, ours.desc or None) == (stage["wdir"], stage["desc"])
        for item in stage["params"]:
            values = workflow.params[item["file"]]
            assert item.get("values", {}) == {key: values[key] for key in item.get("values", {})}
            assert not set(item.get("missing", ())) & set(values)
        made = {out.path: out for out in ours.outs}
        for out in stage["outs"]:
            role = "metric" if out["metric"] else "plot" if out["plot"] else "out"
            assert (made[out["path"]].role, made[out["path"]].cached) == (role, out["cache"])
    assert_valid(list(workflow.stages), expected)


# Invalid files.


EVERY = ("graph", "plan", "run", "check", "trace", "verify")


@pytest.mark.parametrize(
    ("case", "command"),
    [(case, command) for i, case in enumerate(REJECTED) for command in (EVERY[:1] if i else EVERY)],
)
def test_an_invalid_file_gives_the_error_of_dvc(
    case: str, command: str, laid_out: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Run all commands for one case only, because they share the error handling."""
    error = read(case, "expected.json")["error"]
    code, out, err = say(capsys, laid_out(case), command, *(["training"] if command == "trace" else []))
    assert (code, out) == (2, "")
    assert err.startswith("statewright: ")
    assert "Traceback" not in err
    for word in ERROR_WORDS[error["class"]]:
        assert word in err


def say(capsys: pytest.CaptureFixture[str], root: Path, *arguments: str) -> tuple[Any, str, str]:
    """Run a command line and return exit status, output and errors."""
    capsys.readouterr()  # what the set-up has printed
    with pytest.raises(SystemExit) as end:
        main(["-C", str(root), *arguments])
    return (end.value.code, *capsys.readouterr())


# Words that a user needs: the file, the line if there is one, the names.
ERROR_WORDS = {
    "YAMLSyntaxError": ["dvc.yaml", "duplicate key", "line 502"],
    "YAMLValidationError": ["validation failed", "extra keys not allowed", "line "],
    "CyclicGraphError": ["dependency and an output", "evaluation", "data_ingestion"],
    "OutputDuplicationError": ["artifacts/prepare_base_model", "training"],
    "OverlappingOutputPathsError": ["artifacts/prepare_base_model/updated.h5", "overlap"],
    "ResolveError": ["stages.training.cmd", "dvc.yaml", "OPTIMIZER", "line "],
}


# Changes.


def causes(status: Status) -> dict[str, set[tuple[str, str]]]:
    """Return the direct causes in ``dvc status``: address -> {(kind, subject)}."""
    by_stage: dict[str, set[tuple[str, str]]] = {}
    for address, entries in status.items():
        here = by_stage.setdefault(address, set())
        for entry in entries:
            if entry == "always changed":
                here.add(("always", address))
            elif entry == "changed command":
                here.add(("command", address))
            else:
                for group, items in entry.items():
                    here |= {cause for path, what in items.items() for cause in _cause(group, path, what)}
    return by_stage


ONE_KIND = {
    "missing dependency": "dependency",
    "passing dependency": "dependency",
    "passing param": "param",
    "missing data": "output",
}
"""For DVC a missing dependency is `deleted`, even if a stage will write it."""


def _cause(group: str, path: str, what: Any) -> Iterator[tuple[str, str]]:
    if group == "changed outs":
        yield "output", path
    elif isinstance(what, Mapping):
        yield from (("param", key) for key in what)
    else:
        yield "dependency", path


def planned(plan: Plan) -> dict[str, set[tuple[str, str]]]:
    """Return the direct causes in a plan, in the same form."""
    return {
        address: pairs
        for address, decision in plan.decisions.items()
        if (
            pairs := {
                (ONE_KIND.get(r.kind, r.kind), r.subject) for r in decision.reasons if r.kind != "upstream"
            }
        )
    }


def assert_same_causes(plan: Plan, status: Status, root: Path) -> None:
    """Assert that a plan has the same direct causes as ``dvc status``.

    A stage that was never recorded is `new`, which replaces all its other causes. An absent params
    file is one cause for DVC, and one cause for each of its keys here. Below a `.dvc` file whose data is
    missing, the plan names the earlier stage, and DVC the files that are missing.
    """
    workflow = engine.declare(engine.open_repository(root))
    theirs, ours = causes(status), planned(plan)
    missing = [a for a, d in plan.decisions.items() if any(r.kind == "missing data" for r in d.reasons)]
    blocked = {address for data in missing for address in workflow.downstream(data)}
    for address, stage in workflow.stages.items():
        mine, direct = ours.get(address, set()), theirs.get(address, set())
        if address in blocked and any(r.kind == "upstream" for r in plan.decisions[address].reasons):
            mine = mine | {("dependency", path) for path in stage.deps if not (root / path).exists()}
        # For DVC an absent params file is one cause; the plan also names its keys.
        if gone := {path for path in stage.params if not (root / path).exists()}:
            assert {("dependency", path) for path in gone} <= mine
            mine = {cause for cause in mine if cause[0] != "param"}
            direct = {cause for cause in direct if cause[0] != "param"}
        if ("new", address) in mine:
            assert direct or not (stage.deps or stage.params or stage.outs)
            mine = mine - {("new", address)}
            direct = {cause for cause in direct if cause in mine}
        # If a params file is also a dependency, `dvc status` reports its keys only.
        twice = {("dependency", path) for path in stage.params if path in stage.deps}
        assert shorten(mine) - twice == shorten(direct) - twice, address
        assert plan.decisions[address].verdict != "skip" or all(kind == "dependency" for kind, _ in mine)


def shorten(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Shorten params to their top key: DVC names the declared key, a plan the leaf."""
    return {(kind, subject.split(".")[0] if kind == "param" else subject) for kind, subject in pairs}


@pytest.mark.parametrize("case", ACCEPTED)
def test_the_plan_of_an_unchanged_folder_has_the_causes_of_dvc_status(
    case: str, laid_out: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    status = read(case, "expected.json")["status"]
    no_network(monkeypatch)
    plan = plan_of(laid_out(case))
    if status is not None:
        assert_same_causes(plan, status, laid_out(case))
    assert_readable(plan)


def assert_readable(plan: Plan) -> None:
    """Assert that each stage has one line, none wider than 100 columns."""
    console = Console(file=io.StringIO(), width=240, markup=False, emoji=False, highlight=False)
    print_plan(plan, console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= 100
    assert len(lines) <= len(plan.decisions) + 2
    # Hashes are for `--json`.
    assert not re.search(r"[0-9a-f]{32}|recorded: ", console.file.getvalue())


def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test on any access to the network."""
    import socket

    def refuse(*arguments: Any, **keywords: Any) -> Any:
        raise AssertionError(f"the plan accessed the network: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("dvc.repo.open_repo.open_repo", refuse)
    monkeypatch.setattr("dvc.repo.open_repo._cached_clone", refuse)


def settle(case: str, root: Path) -> Path:
    """Create a case with placeholder data and code, all committed to DVC."""
    lay_out(case, root)
    for lock in root.rglob("dvc.lock"):
        lock.unlink()
    for name, kind in read(case, "scenarios.json")["placeholders"].items():
        path = root / name if kind == "file" else root / name / "placeholder.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"placeholder {name}\n", encoding="utf-8")
    assert dvc(root, "commit", "--force", "--quiet") == 0
    return root


def change(root: Path, what: Mapping[str, Any]) -> None:
    """Apply one change of `scenarios.json`."""
    if what["kind"] in ("edit_file", "edit_out"):
        path = root / what["path"]
        path = path / "placeholder.txt" if path.is_dir() else path
        path.chmod(0o644)
        path.write_text(path.read_text(encoding="utf-8") + "changed\n", encoding="utf-8")
    elif what["kind"] == "delete_out":
        path = root / what["path"]
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    else:
        assert what["kind"] == "param"
        path = root / what["file"]
        yaml = YAML()
        values = yaml.load(path.read_text(encoding="utf-8"))
        *parents, last = what["key"].split(".")
        block = values
        for parent in parents:
            block = block[parent]
        block[last] = what["to"]
        with path.open("w", encoding="utf-8") as text:
            yaml.dump(values, text)


def compare_scenarios(case: str, root: Path, wanted: Callable[[int], bool]) -> None:
    settle(case, root)
    scenarios = read(case, "scenarios.json")
    assert_same_causes(plan_of(root), scenarios["after_commit"], root)
    for number, scenario in enumerate(scenarios["changes"]):
        if wanted(number):
            before = root.with_name("kept")
            shutil.copytree(root, before, symlinks=True)
            change(root, scenario["change"])
            assert_same_causes(plan_of(root), scenario["status"], root)
            shutil.rmtree(root)
            before.rename(root)


@pytest.mark.parametrize("case", CHANGED)
def test_a_change_has_the_causes_of_dvc_status(case: str, tmp_path: Path) -> None:
    """Run one scenario of each case; the slow test runs all of them."""
    count = len(read(case, "scenarios.json")["changes"])
    compare_scenarios(case, tmp_path / "case", lambda number: number == int(case[:2]) % count)


@pytest.mark.slow
@pytest.mark.parametrize("case", CHANGED)
def test_every_change_has_the_causes_of_dvc_status(case: str, tmp_path: Path) -> None:
    compare_scenarios(case, tmp_path / "case", lambda number: True)


# Features that the corpus lacks. The oracle is ``dvc status`` after each change.

RARE = {
    "data/first file.txt": "one\n",
    "data/zweite Datei ä.txt": "two\n",
    "data/ignored.log": "noise\n",
    ".dvcignore": "*.log\n",
    "raw.txt": "raw\n",
    "cold.txt": "cold\n",
    "params.yaml": "top: 1\nnull key: null\n",
    "conf/a.json": '{"depth": {"max": 3}, "other": 1}\n',
    "conf/b.toml": "[model]\nname = 'x'\nsize = 4\n",
    "conf/c.py": "RATE = 0.5\nSIZES = (1, 2)\n\nclass Train:\n    epochs = 3\n    steps = (4, 5)\n",
    "conf/whole.yaml": "x: 1\ny: [1, 2]\n",
    "vars.yaml": "items:\n  p: {n: 1}\n  q: {n: 2}\nlist: [u, v]\nsuffix: ä\n",
    "metrics.json": '{"m": 1}\n',
    "dvc.yaml": """
        vars: [vars.yaml, {local: here}]
        params: [conf/a.json]
        metrics: [metrics.json]
        plots: [{curves.csv: {x: a, y: b}}]
        artifacts: {model: {path: from dir.txt, type: model}}
        stages:
          dir:
            cmd: cat data/*.txt > "from dir.txt"
            deps: [data]
            outs: ["from dir.txt"]
          every-params:
            cmd: echo 1 > params.out
            params:
            - top
            - conf/a.json: [depth.max]
            - conf/b.toml: [model.size]
            - conf/c.py: [RATE, SIZES, Train.epochs]
            - conf/whole.yaml:
            outs: [params.out]
          each:
            foreach: ${items}
            do:
              cmd: echo ${key} ${item.n} ${local} > each-${key}-${suffix}.txt
              deps: [raw.txt]
              outs: ["each-${key}-${suffix}.txt"]
          listed:
            foreach: ${list}
            do: {cmd: "echo ${item} > ${item}.txt", outs: ["${item}.txt"]}
          grid:
            matrix:
              who: [{name: one, n: 1}, {name: two, n: 2}]
              size: [3]
            cmd: echo ${item.who.name} ${item.size} > grid-${key}.txt
            deps: [raw.txt]
            outs: ["grid-${key}.txt"]
          outside:
            cmd: cat "{outside}/far.txt" > near.txt
            deps: ["{outside}/far.txt"]
            outs: [near.txt]
          cold:
            cmd: cat raw.txt > cold.txt
            deps: [raw.txt]
            outs: [cold.txt]
            frozen: true
          keep:
            cmd: cat near.txt >> kept.txt
            deps: [near.txt]
            outs: [kept.txt: {persist: true, push: false, desc: grows}]
          check-only:
            cmd: test -s kept.txt
            deps: [kept.txt]
        """,
    "nested/deep/dvc.yaml": """
        stages:
          inner:
            wdir: ../work
            cmd: cat ../../near.txt > here.txt
            deps: [../../near.txt]
            params: [own]
            outs: [here.txt]
        """,
    "nested/work/params.yaml": "own: 5\n",
}


@pytest.fixture(scope="module")
def rare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Repository with rare features after ``dvc repro``; tests change copies of it."""
    folder = tmp_path_factory.mktemp("rare")
    write(folder, {"far.txt": "far\n", "url.txt": "by url\n"})
    files = {name: text.replace("{outside}", str(folder)) for name, text in RARE.items()}
    root = make_repository(folder / "repo", files)
    other = make_repository(folder / "other", {"theirs.txt": "theirs\n"})
    commit(other)
    write(root, {"tracked.csv": "1\n", "tree/a": "a\n", "tree/b": "b\n"})
    for command in (
        ["add", "tracked.csv", "tree"],
        ["import", str(other), "theirs.txt"],
        ["import-url", str(folder / "url.txt")],
        ["repro", "--all-pipelines"],
    ):
        assert dvc(root, *command, "--quiet") == 0
    return root


@pytest.fixture
def changed(rare: Path, tmp_path: Path) -> Path:
    shutil.copytree(rare, tmp_path / "repo", symlinks=True)
    shutil.rmtree(tmp_path / "repo" / ".dvc" / "tmp")
    return tmp_path / "repo"


def replace(name: str, was: str, now: str) -> Callable[[Path], Any]:
    def change(root: Path) -> None:
        text = (root / name).read_text(encoding="utf-8")
        assert was in text
        (root / name).write_text(text.replace(was, now), encoding="utf-8")

    return change


def remove(name: str) -> Callable[[Path], Any]:
    return lambda root: (root / name).unlink()


CHANGES: Mapping[str, tuple[Callable[[Path], Any], ...]] = {
    "nothing": (),
    "a file that .dvcignore excludes": (lambda root: write(root, {"data/more.log": "x\n"}),),
    "a file in a folder, name with spaces and umlaut": (replace("data/zweite Datei ä.txt", "two", "zwei"),),
    "params of each kind": (
        replace("params.yaml", "top: 1", "top: 2"),
        replace("conf/a.json", "3", "4"),
        replace("conf/b.toml", "4", "5"),
        replace("conf/c.py", "(1, 2)", "(1, 3)"),
        replace("conf/whole.yaml", "[1, 2]", "[1, 2, 3]"),
    ),
    "params that no stage reads": (
        replace("conf/a.json", '"other": 1', '"other": 2'),
        replace("conf/b.toml", "'x'", "'y'"),
        replace("conf/c.py", "(4, 5)", "(4, 6)"),
    ),
    "a key gone, a key new in a whole file": (
        replace("params.yaml", "top: 1", "bottom: 1"),
        replace("conf/whole.yaml", "x: 1", "z: 1"),
    ),
    "params files gone": (remove("conf/whole.yaml"), remove("conf/c.py")),
    "a declared null key, and an absent key": (replace("dvc.yaml", "- top", "- null key\n    - absent"),),
    "vars behind templates": (
        replace("vars.yaml", "p: {n: 1}", "p: {n: 7}"),
        replace("vars.yaml", "[u, v]", "[u, w]"),
    ),
    "a matrix value": (replace("dvc.yaml", "name: two", "name: three"),),
    "outside the repository": (lambda root: replace("far.txt", "far", "FAR")(Path(original(root))),),
    "a data file and a folder under DVC": (
        replace("tracked.csv", "1", "2"),
        remove("tree/a"),
    ),
    "imports touched": (remove("theirs.txt"), replace("url.txt", "by url", "mine")),
    "a frozen stage's input, another's output": (
        replace("raw.txt", "raw", "cooked"),
        remove("cold.txt"),
    ),
    "nested": (replace("nested/work/params.yaml", "5", "6"), remove("nested/work/here.txt")),
    "a command becomes a list of the same": (
        replace("dvc.yaml", "cmd: test -s kept.txt", "cmd: [test -s kept.txt]"),
    ),
}


def original(root: Path) -> str:
    """Return the outside folder of the external dependency."""
    return str(
        Path(YAML(typ="safe").load((root / "dvc.yaml").read_text())["stages"]["outside"]["deps"][0]).parent
    )


@pytest.mark.parametrize("name", CHANGES)
def test_rare_features_have_the_causes_of_dvc_status(
    name: str, changed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = Path(original(changed), "far.txt")
    time.sleep(0.1)
    open_session(changed, [])
    assert recall(changed) is not None
    try:
        for change in CHANGES[name]:
            change(changed)
        status = dvc_status(changed, check_updates=False)
        # The cached plan is invalid as soon as a relevant file has changed.
        assert recall(changed) is None or not status
        assert name != "nothing" or recall(changed) is not None
        assert bool(status) == (
            name not in ("nothing", "a file that .dvcignore excludes", "params that no stage reads")
        )
        no_network(monkeypatch)
        assert_same_causes(plan_of(changed), status, changed)
    finally:
        far.write_text("far\n")


# Locations of the repository, and errors in it.


ONE = {"in.txt": "a\n", "dvc.yaml": "stages: {one: {cmd: cat in.txt > out, deps: [in.txt], outs: [out]}}\n"}


def test_without_git_and_in_a_subfolder_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = tmp_path / "plain"
    write(plain, {**ONE, "below/dvc.yaml": ONE["dvc.yaml"], "below/in.txt": "b\n"})
    assert dvc(plain, "init", "--no-scm", "--quiet") == 0
    around = make_repository(tmp_path / "around", {"dvc.yaml": "stages: {not-here: {cmd: echo}}\n"})
    write(around / "sub", ONE)
    assert dvc(around / "sub", "init", "--subdir", "--quiet") == 0
    for root, expected in ((plain, ["one", "below/dvc.yaml:one"]), (around / "sub", ["one"])):
        code, out, _ = say(capsys, root, "graph", "--json")
        assert (code, sorted(json.loads(out)["order"])) == (0, sorted(expected))
        assert verdicts(root) == dict.fromkeys(expected, "must")
        assert set(run_here(root).values()) == {"ran"}
        assert dvc_status(root) == {}
        assert say(capsys, root, "plan")[0] == 0


def test_a_name_is_looked_up_in_the_current_folder_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_repository(tmp_path / "repo", {**ONE, "sub/dvc.yaml": ONE["dvc.yaml"], "other.txt": "\n"})
    write(root, {"dvc.yaml": "stages: {one: {cmd: a, outs: [x]}, two: {cmd: b, outs: [y]}}\n"})
    for folder, name, expected in (
        ("sub", "one", ["sub/dvc.yaml:one"]),
        ("sub", "out", ["sub/dvc.yaml:one"]),
        ("sub", "two", ["two"]),
        (".", "one", ["one"]),
        (".", "sub/out", ["sub/dvc.yaml:one"]),
    ):
        code, out, _ = say(capsys, root / folder, "graph", name, "--json")
        assert (code, json.loads(out)["order"]) == (0, expected)
    code, out, err = say(capsys, root, "graph", "twoo")
    assert (code, out) == (2, "")
    assert "did you mean two" in err


BROKEN: Mapping[str, tuple[Mapping[str, str], str]] = {
    "a list of stages": ({"dvc.yaml": "stages: [a, b]\n"}, "expected a dictionary, in stages, line 1"),
    "not a mapping": ({"dvc.yaml": "just text\n"}, "dvc.yaml"),
    "a tab": ({"dvc.yaml": "stages:\n\ta: {cmd: x}\n"}, "line 2"),
    "merge conflict": ({"dvc.yaml": "<<<<<<< HEAD\nstages: {}\n=======\n>>>>>>> x\n"}, "dvc.yaml"),
    "bytes that are not text": ({"dvc.yaml": "\udcff\udcfe"}, "dvc.yaml"),
    "a stage without a command": ({"dvc.yaml": "stages:\n  a:\n    deps: [b]\n"}, "required key"),
    "foreach over a number": ({"dvc.yaml": "stages: {a: {foreach: 3, do: {cmd: x}}}\n"}, "foreach"),
    "vars that do not exist": ({"dvc.yaml": "vars: [gone.yaml]\nstages: {a: {cmd: x}}\n"}, "gone.yaml"),
    "a variable deep in a list": (
        {"dvc.yaml": "stages:\n  b: {cmd: y}\n  a:\n    cmd: x\n    deps:\n    - ${gone}\n"},
        "line 5",
    ),
    "an invalid params file": (
        {"dvc.yaml": "stages: {a: {cmd: x, params: [p]}}\n", "params.yaml": "p: [\n"},
        "params.yaml",
    ),
    "an invalid Python params file": (
        {"dvc.yaml": "stages: {a: {cmd: x, params: [p.py: [X]]}}\n", "p.py": "X = = 1\n"},
        "p.py",
    ),
    "a params file that is a folder": (
        {"dvc.yaml": "stages: {a: {cmd: x, params: [p: [X]]}}\n", "p/x": ""},
        "'p' is a directory",
    ),
    "a truncated lock": ({**ONE, "dvc.lock": "schema: '2.0'\nstages:\n  one: {cmd"}, "dvc.lock"),
    "an invalid .dvc file": ({"x.dvc": "outs: {path: y}\n"}, "x.dvc"),
    "an invalid .dvc/config": ({".dvc/config": "[core\n"}, "config"),
    "a stage that depends on itself": ({"dvc.yaml": "stages: {a: {cmd: x, deps: [f], outs: [f]}}\n"}, "f"),
    "an unknown remote": ({"dvc.yaml": "stages: {a: {cmd: x, deps: ['remote://gone/f']}}\n"}, "gone"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_an_invalid_file_is_reported_with_its_location_and_status_2(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, words = BROKEN[kind]
    root = make_repository(tmp_path / "repo", {})
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    code, out, err = say(capsys, root, "plan")
    assert (code, out) == (2, "")
    assert err.startswith("statewright: ")
    assert words in err
    assert "Traceback" not in err


def test_no_repository_and_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("graph", "plan", "run", "check"):
        code, out, err = say(capsys, tmp_path, command)
        assert (code, out) == (2, "")
        assert "dvc init" in err
        code, out, err = say(capsys, tmp_path / "gone", command)
        assert (code, out) == (2, "")
        assert f"-C {tmp_path / 'gone'}: No such file or directory" in err
    make_repository(tmp_path / "repo", ONE)
    shutil.rmtree(tmp_path / "repo" / ".git")
    assert "is not a git repository" in say(capsys, tmp_path / "repo", "plan")[2]


REMOTE = {
    "in.txt": "a\n",
    "far.txt.dvc": """
        deps: [{etag: abc, path: "s3://bucket/far.txt"}]
        outs: [{md5: 0cc175b9c0f1b6a831c399e269772661, path: far.txt}]
        """,
    "dvc.yaml": """
        stages:
          up: {cmd: upload, deps: [in.txt], outs: ["s3://bucket/in.txt": {cache: false}]}
          down: {cmd: download, deps: ["s3://bucket/in.txt"], outs: [again.txt]}
          web: {cmd: fetch, deps: ["https://example.org/x", "ssh://host/y"]}
          stores: {cmd: c, deps: ["gs://b/z", "azure://c/z", "hdfs://h/z", "webdavs://w/z", "oss://o/z"]}
          near: {cmd: cat again.txt > near, deps: [again.txt], outs: [near]}
        """,
}


def test_remote_files_are_planned_without_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plan a stage with remote files as `may`, because only a run checks them."""
    root = make_repository(tmp_path / "repo", REMOTE)
    assert set(verdicts(root).values()) <= {"must", "may"}
    lock: dict[str, Any] = {"schema": "2.0", "stages": {}}
    for name, stage in YAML(typ="safe").load((root / "dvc.yaml").read_text())["stages"].items():
        outs = [next(iter(out)) if isinstance(out, dict) else out for out in stage.get("outs", [])]
        lock["stages"][name] = {
            "cmd": stage["cmd"],
            "deps": [entry(root, path) for path in stage["deps"]],
            "outs": [entry(root, path) for path in outs],
        }
    with (root / "dvc.lock").open("w") as text:
        YAML().dump(lock, text)
    no_network(monkeypatch)
    plan = plan_of(root)
    reasons = {a: {(r.kind, r.subject) for r in d.reasons} for a, d in plan.decisions.items()}
    assert {address: plan.decisions[address].verdict for address in ("up", "web", "stores")} == dict.fromkeys(
        ["up", "web", "stores"], "may"
    )
    assert reasons["up"] == {("remote", "s3://bucket/in.txt")}
    assert reasons["web"] == {("remote", "https://example.org/x"), ("remote", "ssh://host/y")}
    assert ("upstream", "up") in reasons["down"]
    assert ("upstream", "down") in reasons["near"]
    assert ["up", "down"] in engine.describe(engine.open_repository(root))["edges"]


def entry(root: Path, path: str) -> dict[str, Any]:
    """Return the entry of a path in `dvc.lock`, with its hash or another version."""
    import hashlib

    file = root / path
    if file.is_file():
        return {"path": path, "md5": hashlib.md5(file.read_bytes()).hexdigest(), "size": file.stat().st_size}
    return {"path": path, "etag": "0123abcd"} if "://" in path else {"path": path, "md5": "0" * 32, "size": 1}


def test_a_param_that_json_cannot_represent_is_planned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Plan such params, although DVC fails when it hashes them as JSON in the run."""
    stages = {
        name: {"cmd": "x", "deps": ["in.txt"], "params": [{file: ["D"]}], "outs": [name]}
        for name, file in (("date", "p.yaml"), ("time", "p.toml"), ("set", "p.py"))
    }
    stages["after"] = {"cmd": "x", "deps": ["date"], "outs": ["after"]}
    files = {
        "in.txt": "a\n",
        "p.yaml": "D: 2020-01-01\n",
        "p.toml": "D = 10:00:00\n",
        "p.py": "D = {1}\n",
        "dvc.yaml": json.dumps({"stages": stages}),
    }
    root = make_repository(tmp_path / "repo", files)
    code, out, _ = say(capsys, root, "plan", "--json")
    assert code == 0
    assert {a: d["verdict"] for a, d in json.loads(out)["stages"].items()} == dict.fromkeys(stages, "must")
    assert dvc(root, "repro", "date", "--quiet") != 0


@pytest.mark.parametrize("text", ["[1, 2]", "5", "placeholder p.json", ""])
def test_a_whole_params_file_without_keys_is_planned(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Plan such a file, although DVC fails when the stage runs."""
    files = {
        "p.yaml": f"{text}\n",
        "dvc.yaml": "stages: {a: {cmd: echo > o, params: [p.yaml: ], outs: [o]}}\n",
    }
    root = make_repository(tmp_path / "repo", files)
    code, out, err = say(capsys, root, "graph", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["stages"][0]["params"] == {"p.yaml": None}
    assert verdicts(root) == {"a": "must"}


COMMENTED = """\
# head
schema: '2.0'  # two
stages:
  # before the first:
  other:
    cmd: a
    # within
    deps:
    - path: x   # aside
      md5: b026324c6904b2a9cb4b88d6d61c81d1
      size: 2

  # after the first:
  one:
    cmd: cat in.txt > out  # old
  # after the second
  last:
    cmd: b
# the end
"""


@pytest.mark.parametrize(
    "lock",
    [
        COMMENTED,
        COMMENTED.replace("  one:\n    cmd: cat in.txt > out  # old\n", ""),
        "# alone\nschema: '2.0'\nstages: {}\n",
        "schema: '2.0'\nstages:\n  other:\n    cmd: a\n\n# foot\ndatasets: []\n",
    ],
)
def test_comments_in_a_lock_file_are_treated_as_by_dvc(lock: str, tmp_path: Path) -> None:
    theirs = make_repository(tmp_path / "theirs", {**ONE, "dvc.lock": lock})
    ours = make_repository(tmp_path / "ours", {**ONE, "dvc.lock": lock})
    assert dvc(theirs, "repro", "--quiet") == 0
    assert run_here(ours) == {"one": "ran"}
    assert (ours / "dvc.lock").read_text() == (theirs / "dvc.lock").read_text()


def test_the_graph_lists_stages_files_and_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        "params.yaml": "p: 1\n",
        "dvc.yaml": """
            stages:
              use: {cmd: x, deps: [made, given], params: [p], outs: [used]}
              make: {cmd: x, outs: [made], always_changed: true, desc: makes it}
              lone: {cmd: x, deps: [given], frozen: true}
            """,
    }
    root = make_repository(tmp_path / "repo", files)
    code, out, _ = say(capsys, root, "graph")
    lines = [" ".join(line.split()) for line in out.splitlines() if line.strip()]
    assert code == 0
    assert lines == [
        "part 1",
        "make [always runs] makes it",
        "writes made",
        "use",
        "after make",
        "reads given",
        "params params.yaml:p",
        "writes used",
        "unconnected stages",
        "lone [frozen]",
        "reads given",
        "3 stages, 1 edge, 2 parts",
    ]
    assert "2 stages, 1 edge, 1 part" in say(capsys, root, "graph", "use")[1]
    (root / "dvc.yaml").unlink()
    assert say(capsys, root, "graph")[1].strip() == "no stages are declared"
