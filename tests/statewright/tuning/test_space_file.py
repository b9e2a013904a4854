"""The space file: what it can say, and the line of each fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from studies import make_toy
from toys import write

from statewright.search.space import Choice, Float, Integer
from statewright.session import open_session
from statewright.tuning.space_checks import check_params
from statewright.tuning.space_file import changes_of, defaults, read_space
from statewright.workflow import WorkflowError


def read(tmp_path: Path, text: str) -> dict:
    path = tmp_path / "space.yaml"
    path.write_text(text)
    return dict(read_space(path, Path("space.yaml")).space)


def test_a_space_file_gives_typed_entries(tmp_path: Path) -> None:
    space = read(
        tmp_path,
        """\
# what to try
lr: {low: 1e-3, high: 0.3, log: true}
depth: {low: 2, high: 12}
width: {low: 2, high: 12, type: float}
rows: {low: 10.0, high: 1000.0, type: integer, log: true}
model: [ridge, forest]
conf/m.toml:net.layers: [[8, 8], [16]]
trees:
  low: 10      # few
  high: 300
  when: {model: forest}
on: {values: [true, null, 1.5], when: {model: [ridge, forest]}}
""",
    )
    assert space == {
        "lr": Float(1e-3, 0.3, log=True),
        "depth": Integer(2, 12),
        "width": Float(2, 12),
        "rows": Integer(10, 1000, log=True),
        "model": Choice(["ridge", "forest"]),
        "conf/m.toml:net.layers": Choice([[8, 8], [16]]),
        "trees": Integer(10, 300, when={"model": "forest"}),
        "on": Choice([True, None, 1.5], when={"model": ["ridge", "forest"]}),
    }
    assert [type(value) for value in (space["lr"].low, space["depth"].low)] == [float, int]
    current = {"model": "ridge", "trees": 100, "on": True}
    wanted = {name: space[name] for name in current}
    assert defaults(wanted, current) == {"model": "ridge", "on": True}
    assert changes_of({"lr": 0.1, "conf/m.toml:net.layers": [16], "depth": 3}) == {
        "params.yaml": [["lr", 0.1], ["depth", 3]],
        "conf/m.toml": [["net.layers", [16]]],
    }


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("lr: {low: 3, high: 3}", "lr: low is 3 and high is 3; expected low below high"),
        ("lr: {low: 3, high: 1}", "low is 3 and high is 1"),
        ("lr: {low: 3}", "lr: high is missing"),
        ("lr: {low: few, high: 3}", "lr: a bound is 'few'; expected a finite number"),
        ("lr: {low: true, high: 3}", "lr: a bound is True"),
        ("lr: {low: 0.0, high: .inf}", "lr: a bound is inf"),
        ("lr: {low: 0.5, high: 3, type: integer}", "lr: a bound is 0.5; expected a whole number"),
        ("lr: {low: 1, high: 3, type: int}", "lr: type is 'int'; expected float or integer"),
        ("lr: {low: 0.0, high: 3, log: true}", "lr: low is 0.0 on a logarithmic scale"),
        ("lr: {low: 1, high: 3, log: base2}", "lr: log is 'base2'; expected true or false"),
        ("lr: {lo: 1, high: 3}", "lr has an unknown key 'lo'; did you mean low?"),
        ("lr: {low: 1, high: 3, when: {model: 2}}", "lr: the condition names model, which is not an entry"),
        ("lr: {values: [1], low: 3}", "lr: a list of values has no low"),
        ("lr: 3", "lr is 3; expected {low: ..., high: ...} or a list of values"),
        ("lr: []", "lr: there are no values to choose from"),
        ("lr: [1, 1]", "lr: the value 1 is listed twice"),
        ("lr: [2026-01-01]", "is not a number, a text, a list or true or false"),
        ("5: [1, 2]", "5 is not the name of a param"),
    ],
)
def test_a_fault_names_file_and_line(tmp_path: Path, entry: str, fault: str) -> None:
    with pytest.raises(WorkflowError) as error:
        read(tmp_path, f"# comment\nfirst: [1, 2]\n\n{entry}\n")
    assert str(error.value).startswith("space.yaml, line 4: ")
    assert fault in str(error.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: {low: 1, high: 2\n", "space.yaml, line 2: not valid YAML"),
        ("a: [1, 2]\na: [1, 3]\n", "space.yaml, line 2: not valid YAML: found duplicate key"),
        ("", "space.yaml, line 1: no params to search"),
        ("- a\n", "space.yaml, line 1: no params to search"),
    ],
)
def test_a_file_that_is_not_a_space_is_a_fault(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(WorkflowError) as error:
        read(tmp_path, text)
    assert fault in str(error.value)


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match=r"--space s.yaml: the file does not exist; expected lines such"):
        read_space(tmp_path / "s.yaml", Path("s.yaml"))


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_toy(
        tmp_path_factory.mktemp("space") / "toy",
        {
            "conf.toml": "# depth\n[m]\nd = 3\nw = 1.5\n",
            "extra.json": '{"a": {"b": true}}\n',
            "unread.yaml": "a: 1\n",
        },
    )
    declared = (root / "dvc.yaml").read_text()
    changed = declared.replace("python prep.py", "python prep.py ${note}")
    changed = changed.replace("params: [train, seed]", "params: [train, seed, conf.toml: [m], extra.json: ]")
    write(root, {"dvc.yaml": changed})
    with (root / "params.yaml").open("a") as params:
        params.write("note: words\nunused: 2\n")
    return root


def checked(toy: Path, text: str, target: str = "train") -> dict:
    (toy / "other.yaml").write_text(text)
    session = open_session(toy, [target])
    file = read_space(toy / "other.yaml", Path("other.yaml"))
    return check_params(file, toy, session.workflow, list(session.plan.decisions))


def test_the_values_as_they_stand_come_from_the_params_files(toy: Path) -> None:
    text = "train.k: [1, 2]\nconf.toml:m.w: {low: 1, high: 2}\nextra.json:a.b: [true, false]\nnote: [a, b]\n"
    assert checked(toy, text) == {"train.k": 2, "conf.toml:m.w": 1.5, "extra.json:a.b": True, "note": "words"}


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("train.q: [1, 2]", "params.yaml: no key 'train.q'; did you mean train.x"),
        ("train.k: {low: 0.5, high: 3.5}", "'train.k' is 2 (int), it cannot become 0.5 (float)"),
        ("train.k: {low: 1.0, high: 3.0}", "write `type: integer` in the range, or 2.0 in params.yaml"),
        ("train.model: {low: 1, high: 2}", "'train.model' is 'ridge' (str), it cannot become 1 (int)"),
        ("train.model: [ridge, 3]", "it cannot become 3 (int)"),
        ("extra.json:a.b: [1, 2]", "extra.json: 'a.b' is True (bool), it cannot become 1 (int)"),
        ("unused: [1, 2]", "no stage of the target has 'unused' of params.yaml in its params, so it changes"),
        ("unread.yaml:a: [1, 2]", "no stage of the target has 'a' of unread.yaml in its params"),
        ("sub/params.yaml:seed: [1, 2]", "sub/params.yaml does not exist, relative to the root of the repo"),
        ("m.d: [1, 2]", "params.yaml: no key 'm.d'"),
    ],
)
def test_an_entry_that_the_pipeline_cannot_use_is_a_fault(toy: Path, entry: str, fault: str) -> None:
    with pytest.raises(WorkflowError) as error:
        checked(toy, f"train.x: {{low: 0, high: 1}}\n{entry}\n")
    assert str(error.value).startswith("other.yaml, line 2: ")
    assert fault in str(error.value)


def test_a_param_of_a_later_stage_names_that_stage(toy: Path) -> None:
    with pytest.raises(WorkflowError, match="train has it: `statewright tune train`"):
        checked(toy, "train.k: [1, 2]\n", "prep")
