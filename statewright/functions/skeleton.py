"""The command `statewright init PIPELINE`: a small pipeline of Python functions.

Entries are inserted into `dvc.yaml` and `params.yaml` as text, so every other byte of these files stays.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from importlib.resources import files as resources
from pathlib import Path
from string import Template
from textwrap import indent
from typing import Any

from ruamel.yaml import YAML, YAMLError

from statewright.files import replacing
from statewright.workflow import WorkflowError

FILES = {
    "tasks/{}/params.py": "params.py",
    "tasks/{}/contracts.py": "contracts.py",
    "tasks/{}/ingest.py": "ingest.py",
    "tasks/{}/report.py": "report.py",
    "tests/tasks/{0}/test_{0}.py": "test.py",
}


def write_pipeline(root: Path, pipeline: str) -> list[Path]:
    """Write the files and entries of a new pipeline and return their paths.

    All checks come before the first write.

    Raises
    ------
    WorkflowError
        If the name is invalid, or the pipeline already exists in one of the files.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", pipeline) or keyword.iskeyword(pipeline):
        raise WorkflowError(
            f"init {pipeline}: expected the name of a Python module: lower-case letters, digits and _"
        )
    if not (root / ".dvc").is_dir():
        raise WorkflowError(f"{root} is not the root of a DVC repository; run `dvc init` there")
    texts = {root / path.format(pipeline): _template(name, pipeline) for path, name in FILES.items()} | {
        root / f"tasks/{pipeline}/__init__.py": f'"""The pipeline {pipeline}."""\n'
    }
    if existing := [path for path in texts if path.exists()]:
        raise WorkflowError(f"{existing[0].relative_to(root)} already exists; choose another name")
    for path, text in {
        root / "tasks/__init__.py": '"""The stages, one function each."""\n',
        root / "tasks/__main__.py": _template("main.py", pipeline),
    }.items():
        if not path.exists():
            texts[path] = text
    texts[root / "dvc.yaml"] = _with_stages(root / "dvc.yaml", pipeline)
    texts[root / "params.yaml"] = _with_params(root / "params.yaml", pipeline)
    with ExitStack() as stack:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(replacing(path)).write_text(text, encoding="utf-8")
    return [path.relative_to(root) for path in sorted(texts)]


def _template(name: str, pipeline: str) -> str:
    text = (resources("statewright.functions") / "template" / f"{name}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(pipeline=pipeline)


def _with_stages(path: Path, pipeline: str) -> str:
    """Return the text of dvc.yaml with the new stages after the existing ones."""
    text, declared = _read(path)
    stages = declared.get("stages")
    if stages is None:
        stages, text = {}, f"{text.rstrip()}\nstages:\n".lstrip("\n")
    if not isinstance(stages, Mapping):
        raise WorkflowError(f"{path.name}: `stages` is not a mapping; expected stages by name")
    if clash := [name for name in stages if str(name).startswith(f"{pipeline}-")]:
        raise WorkflowError(f"{path.name} already declares {clash[0]}; choose another name")
    column = declared["stages"].lc.data[next(iter(stages))][1] if stages else 2
    blocks = [] if "code" in stages else [_template("code.yaml", pipeline)]
    blocks.append(_template("dvc.yaml", pipeline))
    added = indent("\n".join(blocks), " " * column)
    lines = text.splitlines(keepends=True)
    end = _end_of(declared, "stages", len(lines))
    before = "".join(lines[:end]).rstrip("\n")
    after = "".join(lines[end:])
    spacing = "\n\n" if stages else "\n"
    return _checked(path, f"{before}{spacing}{added}" + (f"\n{after}" if after else ""), {*stages})


def _end_of(declared: Any, key: str, lines: int) -> int:
    """Return the line of the top-level entry after `key`, or the number of lines."""
    keys = list(declared)
    if key not in keys or keys.index(key) == len(keys) - 1:
        return lines
    following: int = declared.lc.data[keys[keys.index(key) + 1]][0]
    return following


def _with_params(path: Path, pipeline: str) -> str:
    text, values = _read(path)
    if pipeline in values:
        raise WorkflowError(f"{path.name} already has a block '{pipeline}'; choose another name")
    start = f"{text.rstrip()}\n\n" if text.strip() else ""
    return _checked(path, f"{start}{pipeline}:\n  ingest:\n    rows: 100\n", {*values})


def _read(path: Path) -> tuple[str, Any]:
    if not path.exists():
        return "", {}
    text = path.read_text(encoding="utf-8")
    try:
        values = YAML().load(text)
    except YAMLError as error:
        raise WorkflowError(f"{path.name} is not valid YAML: {error}") from error
    if values is None:
        return text, {}
    if not isinstance(values, Mapping):
        raise WorkflowError(f"{path.name} is not a mapping at the top level; expected keys with values")
    return text, values


def _checked(path: Path, text: str, names: set[Any]) -> str:
    """Return `text` if it parses and still has all previous entries."""
    with suppress(YAMLError):
        values = YAML(typ="safe").load(text)
        entries = values["stages"] if path.name == "dvc.yaml" else values
        if names < set(entries):
            return text
    raise WorkflowError(
        f"{path.name} has a layout that cannot be extended automatically; add the entries by hand"
    )
