"""Graphs as text, JSON, Mermaid and pictures."""

import json

import pytest

from lakehouse.errors import TrackingError
from lakehouse.tracking.graph import Edge, Graph, Node

GRAPH = Graph.of(
    [
        Node("models:/m/1", "model", "champion"),
        Node("run a", "run"),
        Node("raw.flights@7", "table", 'he said "go" <now>'),
        Node("raw.old@0", "gone", "the table is gone"),
        Node("raw.flights@7", "table", "twice"),
    ],
    [
        Edge("run a", "models:/m/1", "logged"),
        Edge("raw.flights@7", "run a", "labels"),
        Edge("raw.old@0", "raw.flights@7", "commit 3: load"),
        Edge("raw.old@0", "run a", "features"),
        Edge("raw.old@0", "run a", "features"),
    ],
)


def test_each_thing_and_each_way_is_there_once():
    assert [node.id for node in GRAPH.nodes] == ["models:/m/1", "run a", "raw.flights@7", "raw.old@0"]
    assert len(GRAPH.edges) == 4
    assert GRAPH.to_rows()[0] == {"source": "run a", "target": "models:/m/1", "how": "logged"}
    assert json.loads(GRAPH.to_json())["nodes"][3] == {"id": "raw.old@0", "kind": "gone", "note": "the table is gone"}


def test_as_text_it_is_a_tree_from_what_was_made_last():
    assert str(GRAPH).splitlines() == [
        "models:/m/1",
        "└─ run a  logged",
        '   ├─ raw.flights@7  he said "go" <now>  labels',
        "   │  └─ raw.old@0  [gone]  the table is gone  commit 3: load",
        "   └─ raw.old@0  [gone]  the table is gone  features",
    ]


def test_mermaid_names_things_safely():
    text = GRAPH.to_mermaid()
    assert text.startswith("flowchart LR\n")
    assert 'n2[("raw.flights@7<br/>he said &quot;go&quot; &lt;now&gt;")]' in text
    assert 'n3 -->|"commit 3: load"| n2' in text
    assert 'n3{{"raw.old@0<br/>the table is gone"}}' in text


def test_pictures_are_written_by_suffix_and_the_same_graph_is_the_same_file(tmp_path):
    svg = GRAPH.save(tmp_path / "a" / "graph.svg").read_text()
    assert "<svg" in svg
    assert GRAPH.save(tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
    assert GRAPH.save(tmp_path / "graph.mmd").read_text() == GRAPH.to_mermaid()
    with pytest.raises(TrackingError, match=r"\.svg, \.png"):
        GRAPH.save(tmp_path / "graph.gif")


def test_what_was_made_stands_right_of_all_that_it_was_made_from_and_a_cycle_ends():
    columns = GRAPH._columns()
    assert [columns[node.id] for node in GRAPH.nodes] == [3, 2, 1, 0]
    cycle = Graph.of([Node("a", "table"), Node("b", "table")], [Edge("a", "b"), Edge("b", "a")])
    assert str(cycle).splitlines()[0] == "a"
    assert cycle.figure() is not None
