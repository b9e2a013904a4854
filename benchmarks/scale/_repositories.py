"""Generated repositories with many stages, and what a process uses in them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engine.repositories import make_repository

LAYER = 10
SHAPES = ("layers", "independent", "chain")


@dataclass(frozen=True)
class Used:
    """Wall seconds, CPU seconds with children, and peak memory in MB."""

    wall: float
    processor: float
    memory: float


def run(command: Sequence[str], folder: Path, settings: Mapping[str, str] | None = None) -> Used:
    """Run a command and return what it used.

    Raises
    ------
    RuntimeError
        If it fails; the message has the end of its output.
    """
    environment = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
    environment |= {"DVC_NO_ANALYTICS": "1", **(settings or {})}
    log = folder.parent / f"{folder.name}.log"
    with log.open("wb") as stream:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=stream, stderr=stream)
        _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        end = log.read_text("utf-8", errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(command)} failed in {folder}: {end}")
    print(f"{took:7.2f} s  {' '.join(command[2:])}  ({folder.name})", file=sys.stderr)
    return Used(took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def make_recorded(root: Path, shape: str, size: int) -> Path:
    """Create a repository in which `size` stages have run, without running them.

    Parameters
    ----------
    shape : str
        ``layers``: of ten cells of a `matrix`, each reads the cell above it; ``independent``: items of one
        `foreach`; ``chain``: each stage reads the one before.
    """
    repository = make_repository(root, _declaration(shape, size))
    lines = ["schema: '2.0'", "stages:"]
    for number in range(size):
        name, dep = _name(shape, number), _dep(shape, number)
        (repository / f"out/{number}").write_text(f"{number}\n")
        source = f"{dep}\n" if dep is not None else "source\n"
        lines += [f"  {name}:", f"    cmd: echo {number} > out/{number}", "    deps:"]
        lines += _entry("source.txt" if dep is None else f"out/{dep}", source)
        lines += ["    outs:", *_entry(f"out/{number}", f"{number}\n")]
        cached = repository / ".dvc/cache/files/md5" / _md5(f"{number}\n")[:2] / _md5(f"{number}\n")[2:]
        cached.parent.mkdir(parents=True, exist_ok=True)
        cached.write_text(f"{number}\n")
    (repository / "dvc.lock").write_text("\n".join(lines) + "\n")
    return repository


def _declaration(shape: str, size: int) -> str:
    lines = ["stages:"]
    if shape == "independent":
        lines += ["  s:", f"    foreach: [{', '.join(map(str, range(size)))}]", "    do:"]
        lines += ["      cmd: echo ${item} > out/${item}", "      deps: [source.txt]"]
        return "\n".join([*lines, "      outs:", "      - out/${item}"])
    width = LAYER if shape == "layers" else 1
    for first in range(0, size, width):
        if shape == "layers":
            cells = [
                f"{{n: {n}, dep: {'source.txt' if n < width else f'out/{n - width}'}}}"
                for n in range(first, min(size, first + width))
            ]
            lines += [f"  layer{first}:", "    matrix:", f"      of: [{', '.join(cells)}]"]
            lines += ["    cmd: echo ${item.of.n} > out/${item.of.n}", "    deps:", "    - ${item.of.dep}"]
            lines += ["    outs:", "    - out/${item.of.n}"]
        else:
            dep = "source.txt" if first == 0 else f"out/{first - 1}"
            lines += [f"  s{first}:", f"    cmd: echo {first} > out/{first}", f"    deps: [{dep}]"]
            lines += [f"    outs: [out/{first}]"]
    return "\n".join(lines)


def _name(shape: str, number: int) -> str:
    if shape == "independent":
        return f"s@{number}"
    if shape == "chain":
        return f"s{number}"
    return f"layer{number - number % LAYER}@of{number % LAYER}"


def _dep(shape: str, number: int) -> int | None:
    width = {"layers": LAYER, "chain": 1}.get(shape, number + 1)
    return number - width if number >= width else None


def _entry(path: str, content: str) -> list[str]:
    return [
        f"    - path: {path}",
        "      hash: md5",
        f"      md5: {_md5(content)}",
        f"      size: {len(content)}",
    ]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
