"""Scratch checkouts: which files they hold, and that they equal the repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from studies import FILES
from toys import commit, dvc, inside, run_here, write

from statewright.repository.experiments import check_out
from statewright.repository.sharing import outside
from statewright.session import Session, open_session
from statewright.tuning.checkout import make_checkout
from statewright.tuning.sources import changed_sources, sources_of
from statewright.workflow import WorkflowError

SPACE = ["train.x", "seed"]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository below the top of git, with every kind of input, up to date."""
    top = tmp_path_factory.mktemp("checkout") / "top"
    root = top / "project"
    root.mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", str(top)], check=True)
    with inside(root):
        dvc(root, "init", "--subdir", "--quiet")
        dvc(root, "config", "cache.dir", "../../cache")
    declared = FILES["dvc.yaml"].replace("raw.txt]", "raw.txt, data.bin, extra.txt, ../beside.txt]")
    stateful = """
          grows:
            cmd: cat raw.txt >> log.txt
            deps: [raw.txt]
            outs: [log.txt: {persist: true}]
        """
    write(
        root,
        {
            **FILES,
            "dvc.yaml": declared.rstrip() + stateful,
            "data.bin": "0123\n",
            "extra.txt": "4\n",
            "secret.txt": "s\n",
            ".env": "TOKEN=1\n",
            "../beside.txt": "5\n",
            ".gitignore": "rows.txt\nscore.json\nextra.txt\nsecret.txt\n.env\n",
            "../.gitignore": "beside.txt\n",
        },
    )
    with inside(root):
        dvc(root, "add", "--quiet", "data.bin")
    commit(top)
    run_here(root)
    return top


@pytest.fixture
def root(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original.parent, tmp_path / "all")
    return tmp_path / "all" / "top" / "project"


def copied(session: Session, folder: Path) -> Path:
    checkout = make_checkout(session, folder)
    copy = open_session(checkout.root, session.targets).repository
    check_out(copy, checkout.outputs)
    return checkout.root


def test_a_checkout_equals_the_repository(root: Path) -> None:
    write(root, {"train.py": "print('changed')\n", "new.txt": "untracked\n"})
    session = open_session(root, ["train", "grows"])
    assert outside(session.repository, "prep") == {str(root.parent / "beside.txt"): "../beside.txt"}
    before = sources_of(session, SPACE)
    assert {"train.py", "raw.txt", "data.bin", "extra.txt", "../beside.txt"} <= set(before)
    assert not {"rows.txt", "train.x in params.yaml", "seed in params.yaml"} & set(before)
    copy = copied(session, root / ".statewright" / "tune" / "s" / "checkout-1")
    inputs = ("train.py", "new.txt", "data.bin", "extra.txt", ".env", "../beside.txt", "log.txt")
    for name in (*inputs, "rows.txt"):
        assert (copy / name).read_text() == (root / name).read_text(), name
    assert not (copy / "secret.txt").exists()
    again = open_session(copy, ["train", "grows"])
    assert changed_sources(before, sources_of(again, SPACE)) == []
    # what was up to date is so in the copy; the changed stage will run
    verdicts = {address: decision.verdict for address, decision in again.plan.decisions.items()}
    assert verdicts == {"data.bin.dvc": "skip", "prep": "skip", "train": "must", "grows": "skip"}


@pytest.mark.parametrize(
    ("file", "text", "changed"),
    [
        ("train.py", "pass\n", ["train.py"]),
        ("data.bin", "4567\n", ["data.bin"]),
        ("../beside.txt", "6\n", ["../beside.txt"]),
        ("params.yaml", FILES["params.yaml"].replace("x: 5.0", "x: 1.0").replace("seed: 1", "seed: 2"), []),
        ("params.yaml", FILES["params.yaml"].replace("k: 2", "k: 3"), ["train.k in params.yaml"]),
        ("space.yaml", "train.k: [1]\n", []),
    ],
)
def test_a_change_of_an_input_is_a_change_of_the_sources(
    root: Path, file: str, text: str, changed: list[str]
) -> None:
    before = sources_of(open_session(root, ["train"]), SPACE)
    (root / file).write_text(text)
    assert changed_sources(before, sources_of(open_session(root, ["train"]), SPACE)) == changed


def test_changed_data_is_copied_and_missing_data_is_an_error(root: Path) -> None:
    (root / "data.bin").write_text("changed\n")
    session = open_session(root, ["train"])
    copy = copied(session, root / ".statewright" / "tune" / "s" / "checkout-1")
    assert (copy / "data.bin").read_text() == "changed\n"
    (root / "data.bin").unlink()
    cached = copied(open_session(root, ["train"]), root / ".statewright" / "tune" / "s" / "checkout-2")
    assert (cached / "data.bin").read_text() == "0123\n"
    shutil.rmtree(root.parent.parent / "cache" / "files")
    with pytest.raises(WorkflowError, match=r"not here and not in the cache: data.bin\n.*dvc remote add"):
        make_checkout(open_session(root, ["train"]), root / ".statewright" / "tune" / "s" / "checkout-3")
