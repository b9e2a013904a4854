"""Random pipelines with undeclared reads end as after a serial ``dvc repro``.

Each stage concatenates files: some that it declares, and some outputs of earlier stages that it does not.
"Earlier" is the order of ``dvc repro``. Random delays change the order in which stages of a parallel run
read and write. After each edit of the sources, our repository and its twin must hold the same files and
the same `dvc.lock`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from local_runs import files_of, reproduce, run_local
from toys import make_repository, write

from statewright.repository.declaration import declare, open_repository

SOURCES = ("s0", "s1")


@dataclass(frozen=True)
class Step:
    """Stage of a random pipeline.

    Parameters
    ----------
    declared, hidden : tuple of int
        Inputs, as numbers of sources and of earlier stages; `hidden` ones are not declared.
    delays : (float, float)
        Seconds before the stage reads, and after it has written.
    """

    declared: tuple[int, ...]
    hidden: tuple[int, ...]
    delays: tuple[float, float]
    folder: bool


@st.composite
def pipelines(draw: st.DrawFn) -> list[Step]:
    """Return random stages; the first has no hidden read."""
    declared = st.lists(st.integers(0, 7), min_size=1, max_size=2).map(tuple)
    hidden = st.lists(st.integers(0, 7), max_size=2).map(tuple)
    delays = st.tuples(st.sampled_from([0.0, 0.05, 0.15]), st.sampled_from([0.0, 0.1]))
    steps = st.builds(Step, declared, hidden, delays, st.booleans())
    return draw(st.lists(steps, min_size=3, max_size=6))


def output(number: int, step: Step) -> str:
    """Return the declared output of a stage."""
    return f"d{number}" if step.folder else f"o{number}"


def file(number: int, step: Step) -> str:
    """Return the file that a stage writes."""
    return f"d{number}/part" if step.folder else f"o{number}"


def inputs(steps: list[Step], chosen: tuple[int, ...], earlier: list[int]) -> list[tuple[str, str]]:
    """Return output and file of each chosen input: a source, or a stage of `earlier`."""
    pairs = []
    for choice in chosen:
        if choice < len(SOURCES) or not earlier:
            pairs.append((SOURCES[choice % len(SOURCES)],) * 2)
        else:
            number = earlier[choice % len(earlier)]
            pairs.append((output(number, steps[number]), file(number, steps[number])))
    return list(dict.fromkeys(pairs))


def declaration(steps: list[Step], order: list[int]) -> dict[str, Any]:
    """Return the contents of `dvc.yaml`; hidden reads are of earlier stages."""
    stages = {}
    for number, step in enumerate(steps):
        declared = inputs(steps, step.declared, list(range(number)))
        hidden = inputs(steps, step.hidden, order[: order.index(number)]) if order else []
        read = " ".join(dict.fromkeys(path for _, path in [*declared, *hidden]))
        folder = f"mkdir -p d{number} && " if step.folder else ""
        before, after = step.delays
        stages[f"n{number}"] = {
            "cmd": f"sleep {before} && {folder}cat {read} > {file(number, step)} && sleep {after}",
            "deps": list(dict.fromkeys(dep for dep, _ in declared)),
            "outs": [output(number, step)],
        }
    return {"stages": stages}


def order_of(root: Path) -> list[int]:
    """Return the numbers of the stages in the order of ``dvc repro``."""
    addresses = [a for a in declare(open_repository(root)).stages if a.startswith("n")]
    return [int(address[1:]) for address in addresses]


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """An empty repository."""
    with tempfile.TemporaryDirectory() as folder:
        yield make_repository(Path(folder) / "empty", {"s0": "a\n", "s1": "b\n"})


def ends_as_serial_dvc(template: Path, steps: list[Step], edits: list[tuple[int, str]], workers: Any) -> None:
    """Run our engine and DVC after each edit and compare files and `dvc.lock`."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = (Path(folder) / name for name in ("ours", "theirs"))
        shutil.copytree(template, ours)
        write(ours, {"dvc.yaml": yaml.safe_dump(declaration(steps, []))})
        order = order_of(ours)
        text = yaml.safe_dump(declaration(steps, order), sort_keys=False)
        note(text)
        write(ours, {"dvc.yaml": text})
        assert order_of(ours) == order
        shutil.copytree(ours, theirs)
        for source, text in [(0, "a\n"), *edits]:
            for root in (ours, theirs):
                write(root, {SOURCES[source]: text})
            result = run_local(ours, workers)
            assert not result.errors
            assert reproduce(theirs) == 0
            assert files_of(ours) == files_of(theirs), result.notices


EDITS = st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["x\n", "y\n", "z\n"])), min_size=1, max_size=2)
WORKERS = st.sampled_from(["auto", 4, 1])
RARE = settings(
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
)


@settings(RARE, max_examples=3)
@given(steps=pipelines(), edits=EDITS, workers=WORKERS)
def test_a_run_ends_as_serial_dvc(
    template: Path, steps: list[Step], edits: list[tuple[int, str]], workers: Any
) -> None:
    ends_as_serial_dvc(template, steps, edits, workers)


@pytest.mark.slow
@settings(RARE, max_examples=int(os.environ.get("STATEWRIGHT_EXAMPLES", "25")))
@given(steps=pipelines(), edits=EDITS, workers=WORKERS)
def test_many_runs_end_as_serial_dvc(
    template: Path, steps: list[Step], edits: list[tuple[int, str]], workers: Any
) -> None:
    ends_as_serial_dvc(template, steps, edits, workers)
