import json
from datetime import date, datetime, timezone
from decimal import Decimal

from lakehouse.cli.printing import counted, print_facts, print_json, print_table, shown
from lakehouse.refs import TableVersion
from lakehouse.tables import Commit

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=timezone.utc)
COMMIT = Commit("raw.t", 0, MOMENT, "MERGE", rows_inserted=1200, rows_updated=0, rows_deleted=3, facts={"x": 1})


def test_json_says_what_json_can(capsys):
    print_json(
        {
            "moment": MOMENT,
            "naive": datetime(2026, 1, 2),
            "day": date(2026, 1, 2),
            "decimal": Decimal("1.50"),
            "nan": float("nan"),
            "bytes": b"\x01\xff",
            "nested": (TableVersion("raw.t", 0),),
            "commit": COMMIT,
        }
    )
    found = json.loads(capsys.readouterr().out)
    commit = found.pop("commit")
    assert found == {
        "moment": "2026-01-02T03:04:05.600000Z",
        "naive": "2026-01-02T00:00:00",
        "day": "2026-01-02",
        "decimal": "1.50",
        "nan": "nan",
        "bytes": "01ff",
        "nested": [{"name": "raw.t", "version": 0, "table_id": "", "schema_digest": ""}],
    }
    assert (commit["version"], commit["rows_inserted"], "facts" in commit) == (0, 1200, False)


def test_people_read_moments_counts_and_lists(capsys):
    assert shown(MOMENT) == "2026-01-02 03:04:05Z"
    assert shown(None) == ""
    assert counted(COMMIT) == "+1,200 -3"
    print_facts({"rows": 1200, "tags": (), "message": None, "keys": ("a", "b")})
    assert [line.rstrip().split(maxsplit=1) for line in capsys.readouterr().out.splitlines()] == [
        ["rows", "1,200"],
        ["keys", "a, b"],
    ]


def test_text_that_looks_like_markup_stays_text(capsys):
    print_table(["message"], [("[bold]not bold[/bold]",)])
    assert "[bold]not bold[/bold]" in capsys.readouterr().out
