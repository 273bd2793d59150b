import json
from datetime import datetime, timezone

from lakehouse.tables.commits import Commit
from lakehouse.tables.row_counts import RowCounts, counts_of, lacks_counts, with_counts

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def file(path, rows, deleted=0, **more):
    vector = {"deletionVector": {"cardinality": deleted}} if deleted else {}
    stats = {} if rows is None else {"stats": json.dumps({"numRecords": rows})}
    return {"path": path, "dataChange": True, **stats, **vector, **more}


def counted(*actions):
    return counts_of([json.dumps({kind: content}) + "\n" for kind, content in actions])


def test_rows_are_those_that_deletion_vectors_leave():
    assert counted(("add", file("a", 10)), ("add", file("b", 5, deleted=2))) == RowCounts(13, 0)
    assert counted(("commitInfo", {}), ("remove", file("a", 10, deleted=4))) == RowCounts(0, 6)


def test_a_file_with_another_deletion_vector_counts_by_the_difference():
    assert counted(("remove", file("a", 10)), ("add", file("a", 10, deleted=3))) == RowCounts(0, 3)
    assert counted(("remove", file("a", 10, deleted=3)), ("add", file("a", 10, deleted=1))) == RowCounts(2, 0)


def test_files_that_only_move_rows_count_nothing():
    assert counted(("remove", file("a", 9, dataChange=False)), ("add", file("b", 9, dataChange=False))) == RowCounts()


def test_without_statistics_nothing_is_claimed():
    assert counted(("add", file("a", None)), ("remove", file("b", 3))) == RowCounts(None, 3)


def test_what_a_commit_leaves_out_of_what_it_removes_is_known_from_before():
    lines = [json.dumps({"remove": file("a", None, deleted=1)}), json.dumps({"remove": file("b", 3)})]
    assert counts_of(lines, lambda: {"a": 10}) == RowCounts(0, 12)
    assert counts_of(lines, lambda: {}) == RowCounts(0, None)


def test_only_what_the_metrics_leave_open_is_filled_in():
    overwrite = Commit("raw.t", 3, NOW, "WRITE", rows_inserted=None, rows_updated=None, rows_deleted=None)
    assert lacks_counts(overwrite)
    filled = with_counts(overwrite, RowCounts(5, 7))
    assert (filled.rows_inserted, filled.rows_updated, filled.rows_deleted) == (5, 0, 7)
    merge = Commit("raw.t", 3, NOW, "MERGE", rows_inserted=1, rows_updated=2, rows_deleted=3)
    assert with_counts(merge, RowCounts(50, 70)) is merge
