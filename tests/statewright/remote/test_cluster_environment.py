"""The environment of workers: which packages count, and how a difference is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from statewright.remote.environment import check_workers, difference, fingerprint, packages_of
from statewright.workflow import WorkflowError


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.lock", "# a comment\nNumpy==2.4.6\n    # via x\nruamel.yaml[extra]==0.18 ; python\n"),
        ("uv.lock", '[[package]]\nname = "numpy"\n[[package]]\nname = "ruamel-yaml"\n'),
        ("poetry.lock", '[[package]]\nname = "numpy"\nversion = "2"\n[[package]]\nname = "ruamel_yaml"\n'),
        ("conda-lock.yml", "version: 1\npackage:\n- name: numpy\n  version: 2\n- name: ruamel.yaml\n"),
    ],
)
def test_the_lock_file_says_which_packages_count(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert packages_of(tmp_path) == ["numpy", "ruamel-yaml"]


def test_without_a_lock_file_all_installed_packages_count(tmp_path: Path) -> None:
    assert {"dvc", "pytest"} <= set(packages_of(tmp_path))


def test_a_broken_lock_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text("[[")
    with pytest.raises(WorkflowError, match=r"uv\.lock: not a valid lock file"):
        packages_of(tmp_path)


def test_a_difference_is_listed_unless_its_part_is_allowed() -> None:
    here = fingerprint(["pytest", "no-such-package"])
    assert difference(here, here) == []
    there = {**here, "platform": "Linux aarch64", "package pytest": "1.0"}
    there.pop("package no-such-package")
    assert difference(here, there) == [
        f"platform Linux aarch64 instead of {here['platform']}",
        f"pytest 1.0 instead of {pytest.__version__}",
    ]
    assert difference(here, there, ["platform", "packages"]) == []


class Workers:
    """Stands for a client: its workers answer with changed fingerprints."""

    def __init__(self, *answers: object) -> None:
        self.answers = answers

    def run(self, function, packages, on_error):
        """Return the answers by worker."""
        assert on_error == "return"
        made = [a if isinstance(a, Exception) else {**function(packages), **a} for a in self.answers]
        return {f"tcp://w{number}:1": answer for number, answer in enumerate(made)}


def test_workers_that_differ_are_refused_by_name() -> None:
    workers = Workers({}, {"python": "CPython 2.7"}, ModuleNotFoundError("x", name="statewright"))
    with pytest.raises(WorkflowError) as error:
        check_workers(workers, ["pytest"], (), print)
    text = str(error.value)
    assert "2 of 3 workers have another environment" in text
    assert "tcp://w0" not in text
    assert "tcp://w1:1: python CPython 2.7 instead of CPython 3" in text
    assert "tcp://w2:1: statewright not installed instead of" in text
    assert "`allow: [python]`" in text


def test_an_allowed_difference_is_printed() -> None:
    lines: list[str] = []
    check_workers(Workers({"platform": "Linux riscv64"}), ["pytest"], ("platform",), lines.append)
    assert len(lines) == 1
    assert "platform Linux riscv64 instead of" in lines[0]


def test_private_copies_of_setuptools_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vendored = tmp_path / "setuptools" / "_vendor"
    (vendored / "autocommand-2.2.2.dist-info").mkdir(parents=True)
    (vendored / "autocommand-2.2.2.dist-info/METADATA").write_text("Name: autocommand\nVersion: 2.2.2\n")
    monkeypatch.syspath_prepend(str(vendored))
    assert "autocommand" not in packages_of(tmp_path)
