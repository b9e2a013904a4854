"""`plan --set` equals the plan after the change, and changes no file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from toys import dvc, make_repository, statewright

from statewright import parameters
from statewright.session import open_session
from statewright.workflow import WorkflowError

FILES = {
    "params.yaml": """
        # kept
        train: {lr: 0.1, depth: 3}
        names: [ada, bob]
        name: data
        when: always
        made: 1
        """,
    "other.json": '{\n  "k": {"a": 1},\n  "unused": null\n}\n',
    "more.toml": '# kept\n[block]\nvalue = 1\nword = "w"\n',
    "settings/one.yaml": "x: 1\n",
    "settings/two.yaml": "y: 1\n",
    "sub/params.yaml": "inner: 1\n",
    "raw.txt": "a\nb\n",
    "dvc.yaml": """
        vars:
        - other.json
        stages:
          keyed:
            cmd: grep lr params.yaml > keyed
            params: [train.lr]
            outs: [keyed]
          after:
            cmd: head -c 1 keyed > after
            deps: [keyed]
            outs: [after]
          templated:
            cmd: echo ${train.depth} ${k.a} > templated-${name}
            deps: [raw.txt]
            outs: ["templated-${name}"]
          user:
            cmd: cat templated-${name} > user
            deps: ["templated-${name}"]
            outs: [user]
          each:
            foreach: ${names}
            do:
              cmd: echo ${item} > ${item}.txt
              deps: [raw.txt]
              outs: ["${item}.txt"]
          grid:
            matrix:
              name: ${names}
              a: [1, 2]
            cmd: echo ${item.name} ${item.a} > ${item.name}-${item.a}
            deps: [raw.txt]
            outs: ["${item.name}-${item.a}"]
          whole:
            cmd: cat other.json > whole
            params: [other.json: ]
            outs: [whole]
          typed:
            cmd: cat more.toml > typed
            params: [more.toml: [block]]
            outs: [typed]
          file:
            cmd: wc -l params.yaml > file
            deps: [params.yaml]
            outs: [file]
          folder:
            cmd: cat settings/one.yaml settings/two.yaml > folder
            deps: [settings]
            outs: [folder]
          writes:
            cmd: "echo 'z: 1' > written.yaml"
            deps: [raw.txt]
            outs: [written.yaml]
          reads:
            cmd: cat written.yaml > reads
            params: [written.yaml: [z]]
            outs: [reads]
          quiet:
            cmd: cat raw.txt > quiet
            deps: [raw.txt]
            outs: [quiet]
        """,
    "sub/dvc.yaml": """
        stages:
          inner:
            cmd: echo ${inner} > inner
            deps: [../after]
            outs: [inner]
        """,
}
SETTINGS = [
    ["train.lr=0.2"],
    ["train.lr=1e-3", "train.depth=4"],
    ["train.depth=4"],
    ["train.depth=2"],
    ["name=else"],
    ["names=[ada]"],
    ["names=[ada, bob, cy]"],
    ["names=[bob, ada]"],
    ["train={lr: 0.5, depth: 9}"],
    ["when=never"],
    ["other.json:k.a=2"],
    ["other.json:unused=3", "when=later"],
    ["more.toml:block.value=2"],
    ["more.toml:block.word=other"],
    ["settings/one.yaml:x=2"],
    ["./settings/two.yaml:y=2", "sub/params.yaml:inner=2"],
    ["sub/params.yaml:inner=2"],
    ["written.yaml:z=2"],
    ["train.lr=0.1"],
]


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository that ran with two depths, so that one result can be restored."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path_factory.mktemp("site")))
        root = make_repository(tmp_path_factory.mktemp("what_if") / "repo", FILES)
        for depth in (2, 3):
            parameters.assign(root, [f"train.depth={depth}"])
            assert dvc(root, "repro", "--quiet", "--all-pipelines") == 0
        yield root


def snapshot(root: Path) -> dict[str, tuple[bytes, int]]:
    """Return the bytes and the time of every file, except for DVC's temporary files."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file() and not path.is_relative_to(root / ".dvc/tmp")
    }


def planned(root: Path, supposed: list[str]) -> dict[str, Any]:
    return open_session(root, [], assumed=supposed).plan.as_dict()


@cache
def plan_with(root: Path, *settings: str) -> dict[str, Any]:
    """Return the plan for settings, and check that it changes no file."""
    before = snapshot(root)
    plan = planned(root, [*settings])
    assert snapshot(root) == before
    return plan


@pytest.mark.parametrize("settings", SETTINGS, ids=" ".join)
def test_the_plan_with_settings_equals_the_plan_after_the_change(
    repo: Path, tmp_path: Path, settings: list[str]
) -> None:
    predicted = plan_with(repo, *settings)
    copy = tmp_path / "copy"
    shutil.copytree(repo, copy, symlinks=True)
    parameters.assign(copy, settings)
    assert predicted == planned(copy, [])
    changed = {d["verdict"] for d in predicted["stages"].values()} != {"skip"}
    assert changed == (settings != ["train.lr=0.1"])


def test_the_cases_cover_all_verdicts_and_other_sets_of_stages(repo: Path) -> None:
    plans = [plan_with(repo, *settings)["stages"] for settings in SETTINGS]
    verdicts = {decision["verdict"] for plan in plans for decision in plan.values()}
    assert verdicts == {"must", "may", "restore", "skip"}
    assert any("each@cy" in plan for plan in plans) and any("each@bob" not in plan for plan in plans)


def test_a_plan_with_settings_does_not_affect_the_next_plan(repo: Path) -> None:
    before = planned(repo, [])
    planned(repo, ["settings/one.yaml:x=2", "train.depth=8"])
    assert planned(repo, []) == before


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.lrr=1", "no key 'train.lrr'; did you mean train.lr"),
        ("absent.yaml:x=1", "absent.yaml: params file does not exist"),
        ("raw.txt:x=1", r"values can be set in \.yaml, \.json and \.toml files"),
        ("train.lr=fast", "it cannot become 'fast'"),
        ("train.lr", "expected KEY=VALUE"),
    ],
)
def test_an_invalid_setting_is_an_error(repo: Path, setting: str, message: str) -> None:
    before = snapshot(repo)
    with pytest.raises(WorkflowError, match=message):
        open_session(repo, [], assumed=[setting])
    with pytest.raises(WorkflowError, match=message):
        parameters.assign(repo, ["train.depth=7", setting])
    assert snapshot(repo) == before


@pytest.mark.parametrize(("name", "text"), [("a.yaml", "a: [1\n"), ("a.json", "{"), ("a.toml", "a = \n")])
def test_an_unreadable_params_file_is_an_error(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(WorkflowError, match=rf"(?s){name}: expected {name[2:]}: .*; fix the file"):
        parameters.assign(tmp_path, [f"{name}:a=1"])
    assert (tmp_path / name).read_text() == text


def test_setting_keeps_comments_order_and_layout(tmp_path: Path) -> None:
    make_repository(tmp_path, {name: FILES[name] for name in ("params.yaml", "other.json", "more.toml")})
    texts = {name: (tmp_path / name).read_text() for name in ("params.yaml", "other.json", "more.toml")}
    parameters.assign(tmp_path, ["made=2", "other.json:unused=[1]", "more.toml:block.value=2"])
    assert (tmp_path / "params.yaml").read_text() == texts["params.yaml"].replace("made: 1", "made: 2")
    assert (tmp_path / "more.toml").read_text() == texts["more.toml"].replace("value = 1", "value = 2")
    assert json.loads((tmp_path / "other.json").read_text()) == {"k": {"a": 1}, "unused": [1]}
    assert (tmp_path / "other.json").read_text().startswith('{\n  "k"')


def test_the_command_line_plans_with_settings_and_explains(repo: Path) -> None:
    command = statewright(repo, "plan", "--set", "train.lr=0.3", "--json")
    values = json.loads(command.stdout)
    assert values["stages"]["keyed"]["reasons"] == [
        {
            "kind": "param",
            "subject": "train.lr",
            "was": 0.1,
            "now": 0.3,
            "text": "params.yaml: train.lr 0.1 -> 0.3",
        }
    ]
    assert {"critical_path", "total_seconds", "workers"} <= values.keys()
    explanation = statewright(repo, "plan", "--set", "train.lr=0.3", "--explain", "sub/dvc.yaml:inner").stdout
    assert [line.strip(" │├└─") for line in explanation.splitlines()] == [
        "sub/dvc.yaml:inner may: earlier stages decide whether its command runs",
        "after after may",
        "after keyed must",
        "params.yaml: train.lr 0.1 -> 0.3",
    ]
