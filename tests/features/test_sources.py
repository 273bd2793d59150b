"""Where events come from: tables, queries and functions, at pinned versions, on real tables."""

from datetime import datetime, timezone

import pytest
from pyspark.sql import functions as F

from lakehouse import Lakehouse
from lakehouse.errors import DefinitionError, MissingColumnsError, SchemaError, TableNotFoundError
from lakehouse.features import Aggregation, Entity, FeatureView, Sql, reads
from lakehouse.features.pins import Pins
from lakehouse.features.sources import read_events

SCHEMA = "carrier string, tail string, arrived_at timestamp, delay double, tags map<string,string>"


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def lake(spark, tmp_path_factory):
    lake = Lakehouse(spark, root=tmp_path_factory.mktemp("sources"))
    first = [("UA", "N1", at("2013-01-01"), 10.0, {}), ("UA", "N2", at("2013-01-02"), 20.0, {})]
    flights = lake.table("raw.flights")
    flights.append(spark.createDataFrame(first, SCHEMA), message="one")
    flights.append(spark.createDataFrame([("AA", "N1", at("2013-01-03"), 30.0, {})], SCHEMA), message="two")
    planes = spark.createDataFrame([("N1", 180), ("N2", 90)], "tail string, seats int")
    lake.table("raw.planes").append(planes, message="planes")
    return lake


def view(source, **changes):
    settings = {"entity": Entity("carrier", ["carrier"]), "timestamp": "arrived_at", "columns": ["delay"]}
    return FeatureView("v", source=source, **{**settings, **changes})


def delays(lake, made, at=None):
    events = read_events(made, Pins(lake, at))
    return sorted(row.delay for row in events.rows.collect()), [str(pinned) for pinned in events.inputs]


@reads("raw.flights", "raw.planes")
def big_planes(flights, planes):
    return flights.join(planes, "tail").where("seats > 100")


def of_one_carrier(tables):
    return tables.table("raw.flights").read().where("carrier = 'UA'")


def test_a_query_reads_its_tables_at_the_pinned_versions(lake):
    query = "select f.carrier, f.arrived_at, f.delay from raw.flights f join raw.planes using (tail) where seats > 100"
    assert delays(lake, view(query)) == ([10.0, 30.0], ["raw.flights@1", "raw.planes@0"])
    assert delays(lake, view(Sql(query)), at={"raw.flights": 0}) == ([10.0], ["raw.flights@0", "raw.planes@0"])


def test_a_query_may_name_versions_and_qualify_columns_by_the_table(lake):
    query = "with a as (select flights.* from raw.flights@0 where flights.delay > 10 and tail <> '{x}') select * from a"
    assert delays(lake, view(query)) == ([20.0], ["raw.flights@0"])


def test_a_function_is_given_the_rows_of_the_tables_that_it_names(lake):
    assert delays(lake, view(big_planes)) == ([10.0, 30.0], ["raw.flights@1", "raw.planes@0"])
    assert delays(lake, view(big_planes), at={"raw.flights": 0})[0] == [10.0]


def test_a_function_may_read_tables_by_itself_through_what_it_is_given(lake):
    assert delays(lake, view(of_one_carrier)) == ([10.0, 20.0], ["raw.flights@1"])


def test_where_and_derived_may_be_functions(lake):
    made = view(
        "raw.flights",
        where=lambda rows: rows.where("delay > 10"),
        derived={"late": lambda rows: rows.delay > 25},
        columns=["delay", "late"],
        aggregations=[Aggregation("*", "count", "1d", where=lambda rows: F.col("late"))],
    )
    rows = read_events(made, Pins(lake)).rows.collect()
    assert sorted((row.delay, row.late) for row in rows) == [(20.0, False), (30.0, True)]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"source": "select 1 as x"}, "reads no table"),
        ({"source": "select * from flights"}, "'flights', which is not a table of the lake"),
        ({"source": "select nope from raw.flights"}, "can't be understood: .*nope"),
        ({"source": "select * frm raw.flights join raw.planes"}, "can't be understood"),
        ({"source": lambda: None}, r"takes 0 parameters and is given one thing to read tables from"),
        ({"source": lambda tables: 7}, "gives int, not a DataFrame"),
        ({"source": lambda tables: tables.spark.range(3)}, "reads no table"),
        ({"source": lambda tables: tables.reed("raw.flights")}, "raised AttributeError"),
        ({"source": "raw.flights", "where": "nope > 1"}, "where='nope > 1' can't be understood"),
        ({"source": "raw.flights", "where": lambda rows: 1}, "neither a DataFrame nor a condition"),
        ({"source": "raw.flights", "derived": {"x": "nope + 1"}}, r"derived\['x'\]='nope \+ 1' can't be understood"),
        ({"source": "raw.flights", "derived": {"x": lambda rows: 1}}, "gives int, not a Column"),
        ({"source": "raw.flights", "derived": {"delay": "1"}}, "column 'delay' already"),
        ({"source": "raw.flights", "aggregations": [Aggregation("*", "count", "1d", where="delay")]}, "is double"),
        ({"source": "raw.flights", "aggregations": [Aggregation("*", "count", "1d", where="nope")]}, "understood"),
    ],
)
def test_a_source_that_can_not_be_used_is_refused_by_the_views_name(lake, changes, says):
    with pytest.raises(DefinitionError, match=says) as refused:
        read_events(view(**changes), Pins(lake))
    assert "'v'" in str(refused.value)


def test_a_function_that_reads_around_what_it_is_given_is_refused(lake):
    @reads("raw.planes")
    def around(planes):
        return lake.table("raw.flights").read().join(planes, "tail")

    with pytest.raises(DefinitionError, match=r"reads raw\.flights@1 on its own"):
        read_events(view(around), Pins(lake))


def test_tables_and_columns_that_are_not_there_are_named(lake):
    with pytest.raises(TableNotFoundError, match=r"raw.fligths.*Did you mean raw.flights"):
        read_events(view("select * from raw.fligths"), Pins(lake))
    with pytest.raises(MissingColumnsError, match=r"raw.planes@0, the source of feature view 'v'.*'carrier'"):
        read_events(view("select * from raw.planes"), Pins(lake))
    with pytest.raises(SchemaError, match="key 'tags' is map"):
        read_events(view("raw.flights", entity=Entity("t", ["tags"])), Pins(lake))


def test_tables_of_a_function_are_part_of_its_meaning():
    def made(*tables):
        @reads(*tables)
        def source(rows):
            return rows

        return view(source).digest

    assert made("raw.a") != made("raw.b")
    with pytest.raises(DefinitionError, match="names no table"):
        reads("flights")
    with pytest.raises(DefinitionError, match="names no tables"):
        reads()
