"""Random pipelines of shell commands that compute, and random edits of them."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

TEXTS = ("a1\nb\n", "a2\nb\n", "a1\nc\n", "a1\r\nb\n")
"""Contents of sources: equal in the first letter, in the first line, or except for line ends."""

FILTERS = ("cat", "head -n 1", "cut -c 1", "sort -u")
KINDS = (
    "plain", "plain", "plain", "folder", "uncached", "metric", "persist", "two", "always", "frozen",
    "callback", "template", "params", "made", "no inputs", "script",
)  # fmt: skip
SOURCES = ("s0", "s1", "w0/in", "w1/in", "tracked")
STAGES = 6


@dataclass
class Node:
    """Stage: its inputs (numbers of sources or earlier stages), filter and kind."""

    inputs: tuple[int, ...]
    filter: int = 0
    kind: str = "plain"
    listed: bool = False
    there: bool = True


@dataclass
class World:
    """Pipeline in its current declaration."""

    nodes: list[Node]
    params: dict[str, Any] = field(default_factory=lambda: {"p": {"a": 1, "b": 1}, "q": 1})
    twins: bool = False
    tracked: bool = False

    def declared(self) -> dict[str, Any]:
        """Return the contents of `dvc.yaml`."""
        stages = {f"n{i}": self._stage(i, node) for i, node in enumerate(self.nodes) if node.there}
        if self.twins:
            command = 'echo "$DVC_STAGE" >> "$RAN"; cut -c 1 in > out'
            stages["twin"] = {
                "foreach": ["w0", "w1"],
                "do": {"wdir": "${item}", "cmd": command, "deps": ["in"], "outs": ["out"]},
            }
        return {"stages": stages}

    def out(self, i: int) -> str:
        """Return the main output of stage `i`; an output folder has a file `part`."""
        kind = self.nodes[i].kind
        return {"folder": f"d{i}", "metric": f"n{i}.json", "made": f"n{i}.yaml"}.get(kind, f"n{i}")

    def _stage(self, i: int, node: Node) -> dict[str, Any]:
        before = [k for k in range(i) if self.nodes[k].there and self.nodes[k].kind != "callback"]
        files, deps, makers = [], [], []
        for k in node.inputs:
            if k < len(SOURCES):
                files.append(SOURCES[k])
                deps.append(SOURCES[k])
            elif before:
                j = before[k % len(before)]
                folder = self.nodes[j].kind == "folder"
                makers += [j] if self.nodes[j].kind == "made" else []
                files.append(self.out(j) + ("/part" if folder else ""))
                deps.append(files[-1] if folder and k % 2 else self.out(j))
        deps, out = sorted(set(deps)), self.out(i)
        read = f"cat {' '.join(files) or '/dev/null'} | {FILTERS[node.filter]}"
        stage: dict[str, Any] = {"deps": deps, "outs": [out]}
        commands = [f"{read} > {out}"]
        match node.kind:
            case "folder":
                commands = [f"mkdir -p {out}", f"{read} > {out}/part", f"echo same > {out}/same"]
            case "uncached":
                stage["outs"] = [{out: {"cache": False}}]
            case "metric":
                stage["metrics"] = [{out: {"cache": False}}]
                del stage["outs"]
                commands = [f"{read} | wc -c > {out}"]
            case "persist":
                stage["outs"] = [{out: {"persist": True}}]
            case "two":
                stage["outs"] = [out, f"{out}.more"]
                commands += [f"echo more > {out}.more"]
            case "always":
                stage["always_changed"] = True
            case "frozen":
                stage["frozen"] = True
            case "callback":
                stage = {}
                commands = ["true"]
            case "template":
                commands = [f"({read}; echo ${{p.a}}) > {out}"]
            case "params":
                stage["params"] = ["p", "q"]
                commands = [f"({read}; grep b: params.yaml) > {out}"]
            case "made":
                commands = [f"(echo k: 1; echo v: $({read} | tr -d '\\r\\n:')) > {out}"]
            case "no inputs":
                stage["deps"] = []
                commands = [f"echo {node.filter} > {out}"]
            case "script":
                stage["deps"] = sorted({*deps, "tool.sh"})
                commands = [f"({read}; cat tool.sh) > {out}"]
        if makers and stage:
            stage["params"] = [*stage.get("params", []), {self.out(makers[0]): ["v"]}]
        ran = 'echo "$DVC_STAGE" >> "$RAN"'
        listed = [ran, *commands] if node.listed else "; ".join([ran, *commands])
        return {"cmd": listed, **{key: value for key, value in stage.items() if value}}


nodes = st.builds(
    Node,
    st.lists(st.integers(0, 9), min_size=1, max_size=3).map(tuple),
    st.integers(0, len(FILTERS) - 1),
    st.sampled_from(KINDS),
)
worlds = st.builds(
    World,
    st.lists(nodes, min_size=2, max_size=STAGES),
    twins=st.sampled_from([False, False, True]),
    tracked=st.sampled_from([False, False, True]),
)
edits = st.tuples(
    st.sampled_from(
        [
            "source", "source", "source", "source", "lose source", "param", "param", "param", "lose param",
            "null param", "lose output", "lose output", "edit output", "edit output", "swap outputs",
            "filter", "filter", "filter", "kind", "inputs", "remove stage", "restore stage", "as list",
            "lose object", "lose object", "lose run cache", "lose cache", "lose lock entry", "lose lock",
            "executable", "twins",
        ]
    ),
    st.integers(0, STAGES - 1),
    st.integers(0, 11),
)  # fmt: skip
rounds = st.lists(st.lists(edits, max_size=3), min_size=1, max_size=3)


_clock = [1_600_000_000]


def put(path: Path, text: str) -> None:
    """Write a file with a unique time.

    For DVC, equal times and sizes mean equal bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.write_text(text)
    _clock[0] += 10
    os.utime(path, (_clock[0], _clock[0]))


def lose(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def declare_in(world: World, root: Path) -> None:
    put(root / "params.yaml", yaml.safe_dump(world.params))
    put(root / "dvc.yaml", yaml.safe_dump(world.declared(), sort_keys=False))


def edit(world: World, root: Path, what: str, i: int, j: int) -> None:
    """Apply one edit or accident to a repository."""
    source, i = root / SOURCES[i % len(SOURCES)], i % len(world.nodes)
    node, out = world.nodes[i], root / world.out(i)
    objects = root / ".dvc/cache/files/md5"
    match what:
        case "source":
            put(source, TEXTS[j % len(TEXTS)])
        case "lose source":
            lose(source)
        case "param":
            world.params["p"] = {"a": i % 2, "b": j % 2}
            world.params["q"] = j % 3
        case "null param":
            world.params["q"] = None
        case "lose param":
            world.params.pop("q", None)
        case "lose output":
            lose(out)
        case "edit output" if node.kind == "folder":
            put(out / ("part", "same", "third")[j % 3], TEXTS[j % len(TEXTS)])
        case "edit output":
            put(out, TEXTS[j % len(TEXTS)])
        case "swap outputs":
            other = root / world.out(j % len(world.nodes))
            if other.is_file() and node.kind != "folder":
                put(out, other.read_text())
        case "filter":
            node.filter = j % len(FILTERS)
        case "kind":
            node.kind = KINDS[j % len(KINDS)]
        case "inputs":
            node.inputs = (*node.inputs[:1], j % 10)
        case "remove stage":
            node.there = False
        case "restore stage":
            node.there = True
        case "as list":
            node.listed = not node.listed
        case "lose object":
            found = sorted(path for path in objects.rglob("*") if path.is_file())
            if found:
                lose(found[(i * 12 + j) % len(found)])
        case "lose run cache":
            lose(root / ".dvc/cache/runs")
        case "lose cache":
            lose(objects)
        case "lose lock entry":
            lock = root / "dvc.lock"
            if lock.is_file():
                data = yaml.safe_load(lock.read_text())
                data["stages"].pop(f"n{i}", None)
                put(lock, yaml.safe_dump(data, sort_keys=False))
        case "lose lock":
            lose(root / "dvc.lock")
        case "executable":
            path = root / "tool.sh" if j % 2 else source
            if path.is_file():
                path.chmod(0o755 if not path.stat().st_mode & 0o100 else 0o644)
        case "twins":
            world.twins = not world.twins
    declare_in(world, root)
