"""The drawings of a graph: valid files with every stage, its state and time."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import networkx as nx
from drawn_graphs import HOSTILE, LONG, chain
from rich.cells import cell_len
from toys import HERE

from statewright.graph.mermaid import write_mermaid
from statewright.graph.model import stage_graph
from statewright.graph.page import write_page
from statewright.graph.svg import draw_svg
from statewright.planning.plan import MAY, MUST, SKIP, Decision, Plan
from statewright.planning.reasons import Reason
from statewright.workflow import Output, Stage, Workflow

SVG = "{http://www.w3.org/2000/svg}"
GRAPH = chain()
WORKFLOW = Workflow(
    {address: Stage(address, ("true",)) for address in GRAPH.cells},
    dict.fromkeys(GRAPH.cells, ()) | {f"s{k}": (f"s{k - 1}",) for k in range(1, 6)},
)


def matrix_workflow(upstream: dict[str, tuple[str, ...]]) -> Workflow:
    stages = {
        name: Stage(name, ("true",), outs=(Output(f"{name}.out"),), cell={"k": 1} if "@" in name else {})
        for name in upstream
    }
    return Workflow(stages, upstream)


def test_the_svg_holds_every_stage_in_a_box_that_is_wide_enough() -> None:
    root = ET.fromstring(draw_svg(GRAPH, "a title"))
    names = [element.text for element in root.iter(f"{SVG}text") if element.get("class") == "name"]
    assert names == list(GRAPH.nodes)
    for group in root.iter(f"{SVG}g"):
        if "node" in (group.get("class") or "").split():
            width = next(
                float(r.get("width") or 0) for r in group.iter(f"{SVG}rect") if r.get("class") == "box"
            )
            texts = [t.text or "" for t in group.iter(f"{SVG}text")]
            # 7.23 px: 12 px of the usual monospaced fonts, whose characters have 0.6023 em at most.
            assert max(map(cell_len, texts)) * 7.23 + 14 <= width, texts
    statuses = [element.text for element in root.iter(f"{SVG}text") if element.get("class") == "status"]
    assert statuses[:2] == ["up to date, 1-2 s", "will run, 1-2 s"]
    assert statuses[6] == "3 cells: 1 failed last time, 2 up to date, 9-15 s"
    width = float(root.get("width") or 0)
    assert width > len(LONG) * 7.2


def test_the_mermaid_text_has_the_same_names_and_dependencies() -> None:
    text = write_mermaid(GRAPH)
    boxes = dict(re.findall(r'^  (s\d+)\["(.*)"\]:::\w+$', text, re.MULTILINE))
    decoded = {
        number: html.unescape(re.sub(r"#(\d+);", r"&#\1;", label.partition("<br/>")[0]))
        for number, label in boxes.items()
    }
    assert list(decoded.values()) == list(GRAPH.nodes)
    assert not re.search(r'[<>"]', "".join(boxes.values()).replace("<br/>", ""))
    arrows = re.findall(r"^  (s\d+) --> (s\d+)$", text, re.MULTILINE)
    drawn, whole = nx.DiGraph([(decoded[a], decoded[b]) for a, b in arrows]), nx.DiGraph(list(GRAPH.edges))
    assert set(nx.transitive_closure(drawn).edges) == set(nx.transitive_closure(whole).edges)


def test_the_page_loads_nothing_and_escapes_names() -> None:
    page = write_page(GRAPH, WORKFLOW, HOSTILE)
    assert page.count("<script") == 2 and page.count("</script>") == 2
    assert not re.search(r"(src|href)\s*=|url\(|@import|https?://(?!www\.w3\.org)", page)
    data = json.loads(re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)[0])
    assert set(data["stages"]) == set(GRAPH.cells)
    assert data["stages"][HOSTILE]["desc"] == HOSTILE
    assert data["stages"]["s2"]["causes"] == [{"kind": "upstream", "text": "after s1", "origins": ["s1"]}]
    assert data["stages"]["s1"]["neededBy"] == ["s2"]


def test_the_cells_of_a_matrix_are_one_node_with_all_their_dependencies() -> None:
    workflow = matrix_workflow({"a": (), "m@1": ("a",), "m@2": ("a",), "z": ("m@1", "m@2")})
    plan = Plan({a: Decision(a, MUST if a == "m@2" else SKIP) for a in workflow.stages})
    graph = stage_graph(workflow, plan, {"m@1": (1.0, 2.0)}, failed=["m@2"])
    assert {name: len(node.cells) for name, node in graph.nodes.items()} == {"a": 1, "m": 2, "z": 1}
    assert set(graph.edges) == {("a", "m"), ("m", "z")}
    assert graph.nodes["m"].state == "failed"
    assert graph.summary == "4 stages: 1 failed last time, 3 up to date"


def test_cells_that_need_one_another_through_a_stage_stay_apart() -> None:
    workflow = matrix_workflow({"m@1": (), "between": ("m@1",), "m@2": ("between",)})
    plan = Plan({a: Decision(a, MAY, (Reason("upstream", "m@1"),)) for a in workflow.stages})
    graph = stage_graph(workflow, plan, {})
    assert set(graph.nodes) == {"m@1", "between", "m@2"}
    assert nx.is_directed_acyclic_graph(nx.DiGraph(list(graph.edges)))


def test_every_process_draws_the_same() -> None:
    """Draw in processes in which the order of sets differs."""
    program = (
        "from drawn_graphs import chain; from statewright.graph.svg import draw_svg;"
        "from statewright.graph.mermaid import write_mermaid;"
        "print(draw_svg(chain(12), 'x') + write_mermaid(chain()))"
    )
    texts = set()
    for seed in "123":
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{HERE}:{HERE}/tests/statewright"}
        command = [sys.executable, "-c", program]
        texts.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(texts) == 1
