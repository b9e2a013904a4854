"""Settings of a repository: files, defaults and errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from toys import make_repository, statewright, write

from statewright.configuration import Configuration, read_configuration
from statewright.workflow import WorkflowError


def test_without_a_file_every_setting_has_its_default(tmp_path: Path) -> None:
    assert read_configuration(tmp_path) == Configuration()


@pytest.mark.parametrize(
    ("file", "text", "source"),
    [
        (".statewright.toml", 'prefect = "never"\nworkers = 3\n', ".statewright.toml"),
        (
            "pyproject.toml",
            '[tool.statewright]\nprefect = "never"\nworkers = 3\n',
            "pyproject.toml [tool.statewright]",
        ),
    ],
)
def test_a_file_wins_over_the_defaults(tmp_path: Path, file: str, text: str, source: str) -> None:
    write(tmp_path, {file: text})
    configuration = read_configuration(tmp_path)
    assert (configuration.prefect, configuration.workers, configuration.watch) == ("never", 3, True)
    assert configuration.sources == {"prefect": source, "workers": source}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("worker = 3", "unknown setting 'worker'; expected one of workers, watch, prefect, store"),
        ("workers = 0", "workers is 0; expected 'auto' or a whole number of 1 or more"),
        ("workers = true", "workers is True; expected"),
        ('watch = "no"', "watch is 'no'; expected true or false"),
        ('store = "../else"', "store is '../else'; expected a folder below the repository"),
        ("a = ", "not valid TOML"),
    ],
)
def test_a_wrong_setting_names_file_key_and_expectation(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, {".statewright.toml": text + "\n"})
    with pytest.raises(WorkflowError) as caught:
        read_configuration(tmp_path)
    assert str(caught.value).startswith(".statewright.toml: ")
    assert message in str(caught.value)


def test_settings_in_two_files_are_an_error(tmp_path: Path) -> None:
    write(
        tmp_path,
        {".statewright.toml": "watch = false\n", "pyproject.toml": "[tool.statewright]\nwatch = true\n"},
    )
    with pytest.raises(WorkflowError, match="both hold settings"):
        read_configuration(tmp_path)


def test_a_broken_pyproject_without_our_table_is_ignored(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "<<<<<<< HEAD\n"})
    assert read_configuration(tmp_path) == Configuration()


def test_the_command_prints_values_with_their_sources(tmp_path: Path) -> None:
    make_repository(tmp_path, {"dvc.yaml": "stages: {}\n", ".statewright.toml": "watch = false\n"})
    lines = statewright(tmp_path, "config").stdout.splitlines()
    assert any(line.split()[:3] == ["watch", "false", ".statewright.toml"] for line in lines)
    assert any(line.split()[:3] == ["workers", "auto", "default"] for line in lines)
