import pytest

from lakehouse.features.definitions.queries import tables_in, with_tables


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("select a.x from raw.a", ["raw.a"]),
        ("SELECT * FROM raw.a AS x JOIN raw.b y ON x.k = y.k", ["raw.a", "raw.b"]),
        ("select * from raw.a, raw.b where a.x = b.y", ["raw.a", "raw.b"]),
        ("select * from raw.a@7 left join raw.b@2026-06-01T00:00:00Z using (k)",
         ["raw.a@7", "raw.b@2026-06-01T00:00:00Z"]),
        ("select * from `raw`.`odd name` t", ["raw.odd name"]),
        ("with c as (select * from raw.a), d as (select 1 as x) select * from c join d", ["raw.a"]),
        ("select * from (select k from raw.a group by k) s join raw.b", ["raw.a", "raw.b"]),
        ("select extract(year from t.ts), trim(both from t.x) from raw.a t", ["raw.a"]),
        ("select * from raw.a where x is distinct from a.y", ["raw.a"]),
        ("select 'from raw.x' as t, \"from raw.y\" -- from raw.z\n from /* from raw.q */ raw.a", ["raw.a"]),
        ("select * from raw.a where k in (select k from raw.b) union all select * from raw.c",
         ["raw.a", "raw.b", "raw.c"]),
        ("select * from range(10), raw.a", ["raw.a"]),
        ("select * from raw.a lateral view explode(a.items) i as item", ["raw.a"]),
        ("select * from plain", ["plain"]),
        ("select 1 as x", []),
    ],
)  # fmt: skip
def test_tables_are_what_stands_where_a_table_can(query, names):
    assert [mention.name for mention in tables_in(query)] == names


def test_mentions_are_replaced_and_other_braces_doubled():
    query = "select '{x}' as b from raw.a, raw.b"
    replaced = with_tables(query, tables_in(query), lambda mention: f"<{mention.name}>")
    assert replaced == "select '{{x}}' as b from <raw.a>, <raw.b>"
