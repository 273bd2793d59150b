import json
import math
import pickle
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from lakehouse.errors import DefinitionError
from lakehouse.features import Aggregation, Entity, FeatureService, FeatureView, Sql
from lakehouse.features.definitions import canonical_duration, duration_us, function_digest

CARRIER = Entity("carrier", keys=["carrier"])


def view(name="delays", **changes):
    given = {"entity": CARRIER, "source": "raw.arrivals", "timestamp": "arrived_at", "columns": ["tail"]}
    return FeatureView(name, **{**given, **changes})


def only_cancelled(frame):
    return frame.cancelled


def landed(frame):
    return frame


# durations


@pytest.mark.parametrize(
    ("written", "canonical", "us"),
    [
        ("3h", "3h", 10_800_000_000),
        ("007d", "7d", 604_800_000_000),
        (" 30M ", "30m", 1_800_000_000),
        ("24h", "24h", 86_400_000_000),
        ("2w", "2w", 1_209_600_000_000),
        ("500ms", "500ms", 500_000),
        ("10us", "10us", 10),
        (timedelta(days=7), "7d", 604_800_000_000),
        (timedelta(hours=36), "36h", 129_600_000_000),
        (timedelta(seconds=1, microseconds=1), "1000001us", 1_000_001),
        (timedelta(0), "0us", 0),
    ],
)
def test_a_duration_keeps_its_unit_and_is_exact(written, canonical, us):
    assert canonical_duration(written, "x", "window") == canonical
    assert duration_us(canonical) == us


@pytest.mark.parametrize(
    "written", ["", "3", "h", "-3h", "1.5h", "1h30m", "3 hours", "1mo", timedelta(hours=-1), 3, "99999999w"]
)
def test_what_is_not_a_duration_is_refused(written):
    with pytest.raises(DefinitionError, match="window="):
        Aggregation("x", "sum", written)


# names


@pytest.mark.parametrize(
    ("aggregation", "name"),
    [
        (Aggregation("arr_delay", "mean", "3h"), "arr_delay_mean_3h"),
        (Aggregation("*", "count", "1d"), "count_1d"),
        (Aggregation("*", "time_since_last", "1d"), "time_since_last_1d"),
        (Aggregation("arr_delay", "max", "30d", delay="7d"), "arr_delay_max_30d_delay_7d"),
        (Aggregation("arr_delay", "max", None), "arr_delay_max_lifetime"),
        (Aggregation("arr_delay", "max", timedelta(days=7)), "arr_delay_max_7d"),
        (Aggregation("arr_delay", "max", "7d", closed="both", every="1h"), "arr_delay_max_7d"),
        (Aggregation("arr_delay", "max", "7d", delay="0s"), "arr_delay_max_7d"),
        (Aggregation("arr_delay", "max", "7d", name="worst"), "worst"),
    ],
)
def test_a_feature_is_named_by_column_function_window_and_delay(aggregation, name):
    assert aggregation.output == name


def test_features_are_looked_up_columns_then_aggregations():
    assert view(aggregations=[Aggregation("*", "count", "1d")]).features == ("tail", "count_1d")


# what is refused, and what the message says


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("x", "avg", "1d"), r"'avg'. Did you mean mean\?"),
        (("x", "strdev", "1d"), r"Did you mean stddev"),
        (("x", "median", "1d"), r"q=0.5"),
        (("x", "frobnicate", "1d"), r"There are approx_count_distinct"),
        (("*", "sum", "1d"), r"'\*' has no meaning"),
        (("", "sum", "1d"), r"column"),
        (("x", "sum", "0s"), r"longer than zero"),
        (("x", "percentile", "1d"), r"needs q"),
        (("x", "last_n", "1d"), r"needs n"),
    ],
)
def test_an_aggregation_without_meaning_is_refused(arguments, says):
    with pytest.raises(DefinitionError, match=says):
        Aggregation(*arguments)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"closed": "letf"}, "Did you mean left"),
        ({"every": "0s"}, "every must be longer than zero"),
        ({"offset": "1h"}, "every isn't given"),
        ({"q": 0.5}, "mean has no q"),
        ({"n": 3}, "mean has no n"),
        ({"default": [1]}, "not a single value"),
        ({"default": datetime(2026, 1, 1)}, "no time zone"),
        ({"where": 3}, "where=3"),
        ({"where": " "}, "where"),
        ({"name": "a.b"}, "can't be a name"),
        ({"name": ""}, "can't be a name"),
    ],
)
def test_a_parameter_without_meaning_is_refused(changes, says):
    with pytest.raises(DefinitionError, match=says) as refused:
        Aggregation("x", "mean", "1d", **changes)
    assert "('x', 'mean', '1d')" in str(refused.value)


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan, "0.5", True])
def test_q_lies_between_0_and_1(q):
    with pytest.raises(DefinitionError, match="between 0 and 1"):
        Aggregation("x", "percentile", "1d", q=q)


@pytest.mark.parametrize("n", [0, -1, 1.5, True])
def test_n_is_a_whole_number_from_1_on(n):
    with pytest.raises(DefinitionError, match="n="):
        Aggregation("x", "last_n", "1d", n=n)


@pytest.mark.parametrize("function", ["count", "count_distinct", "approx_count_distinct"])
def test_a_default_on_a_count_is_refused(function):
    with pytest.raises(DefinitionError, match="a count is never null"):
        Aggregation("x", function, "1d", default=0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"columns": []}, "no features"),
        ({"columns": "tail"}, r"Write columns=\['tail'\]"),
        ({"columns": ["a", "a"]}, "twice"),
        ({"columns": ["carrier"]}, "'carrier' is a key"),
        ({"timestamp": "carrier"}, "'carrier' is a key"),
        ({"timestamp": None}, "timestamp"),
        ({"columns": [], "aggregations": [Aggregation("*", "count", "1d")], "ttl": "1h"}, "no columns are looked up"),
        ({"ttl": "soon"}, "ttl='soon'"),
        (
            {"aggregations": [Aggregation("x", "sum", "1d"), Aggregation("x", "sum", "1d", every="1h")]},
            "Give one of them a name=",
        ),
        ({"aggregations": [Aggregation("x", "sum", "1d", name="tail")]}, "two features are named 'tail'"),
        ({"aggregations": [Aggregation("x", "sum", "1d", name="carrier")]}, "name of a key"),
        ({"aggregations": Aggregation("x", "sum", "1d")}, "not a list"),
        ({"aggregations": ["x"]}, "not an Aggregation"),
        ({"source": "arrivals"}, "names no table"),
        ({"source": 7}, "not a table, a query or a function"),
        ({"entity": "carrier"}, "not an Entity"),
        ({"where": 3}, "where=3"),
        ({"derived": {"speed": 3}}, "speed"),
        ({"derived": "speed"}, "not a mapping"),
        ({"name": "a/b"}, "can't be a name"),
    ],
)
def test_a_view_without_meaning_is_refused_by_name(changes, says):
    with pytest.raises(DefinitionError, match=says) as refused:
        view(**changes)
    assert "delays" in str(refused.value) or "a/b" in str(refused.value)


def test_a_service_refuses_two_features_of_one_name():
    other = view("weather", columns=["tail"])
    with pytest.raises(DefinitionError, match="'delays' and 'weather' both have a feature 'tail'"):
        FeatureService("s", [view(), other])


@pytest.mark.parametrize(("views", "says"), [([], "no views"), (["delays"], "not a FeatureView"), (None, "not a list")])
def test_a_service_is_made_of_views(views, says):
    with pytest.raises(DefinitionError, match=says):
        FeatureService("s", views)


def test_a_service_refuses_two_views_of_one_name():
    with pytest.raises(DefinitionError, match="two views are named"):
        FeatureService("s", [view(), view(columns=["other"])])


# sources


@pytest.mark.parametrize("query", ["select 1 as x", "  SELECT\n1", "with a as (select 1) select * from a"])
def test_a_text_that_begins_with_select_or_with_is_a_query(query):
    made = view(source=query)
    assert made.source == Sql(query)
    assert made.table is None


def test_other_texts_are_table_refs():
    assert view(source="selected.arrivals@7").table == "selected.arrivals@7"
    assert view(source=landed).table is None


# immutability and keys


def test_lists_become_tuples_and_records_can_be_keys_of_a_dict():
    assert view().columns == ("tail",)
    assert {view(): 1}[view()] == 1
    assert CARRIER.keys == ("carrier",)


def test_with_keys_names_the_labels_columns_and_changes_nothing_else():
    service = FeatureService("s", [view()])
    renamed = service.with_keys(carrier="airline")
    assert renamed.label_keys(view()) == ("airline",)
    assert service.label_keys(view()) == ("carrier",)
    assert renamed.digest == service.digest
    with pytest.raises(DefinitionError, match="Did you mean carrier"):
        service.with_keys(carier="airline")


# plain values and digests

RICH = FeatureService(
    "s",
    [
        FeatureView(
            "rich",
            entity=Entity("route", ["origin", "dest"]),
            source=landed,
            timestamp="ts",
            available_at="seen",
            columns=["a"],
            ttl="3h",
            where="not diverted",
            derived={"late": "arr_delay > 15", "speed": only_cancelled},
            description="what it says",
            owner="us",
            tags={"tier": "gold"},
            aggregations=[
                Aggregation(
                    "x", "mean", timedelta(hours=3), closed="both", delay="1d", every="1h", offset="5m", default=1.5
                ),
                Aggregation("x", "last", "1d", where=only_cancelled, default=Decimal("1.50"), name="l"),
                Aggregation("d", "max", None, default=date(2026, 1, 1)),
                Aggregation("t", "max", None, default=datetime(2026, 1, 1, tzinfo=timezone.utc)),
                Aggregation("x", "min", None, default=math.inf),
                Aggregation("x", "percentile", "1d", q=0.25),
                Aggregation("x", "last_n", "1d", n=3),
            ],
        ),
        view(source=Sql("select 1")),
    ],
    tags={"a": "b"},
).with_keys(origin="dep_airport")


def test_definitions_become_json_and_back():
    assert FeatureService.from_dict(json.loads(json.dumps(RICH.to_dict()))) == RICH


def test_derived_columns_keep_their_order_when_keys_are_sorted():
    made = view(derived={"b": "1", "a": "b + 1"})
    assert FeatureView.from_dict(json.loads(json.dumps(made.to_dict(), sort_keys=True))) == made
    assert made.digest != view(derived={"a": "b + 1", "b": "1"}).digest


def test_derived_columns_can_be_read_from_a_mapping():
    assert FeatureView.from_dict({**view().to_dict(), "derived": {"b": "1"}}) == view(derived={"b": "1"})


def test_definitions_can_be_pickled():
    assert pickle.loads(pickle.dumps(RICH)) == RICH


def test_a_field_that_does_not_exist_is_refused_with_the_nearest():
    with pytest.raises(DefinitionError, match=r"no field 'agregations'. Did you mean aggregations\?"):
        FeatureView.from_dict({**view().to_dict(), "agregations": []})


def test_a_missing_field_is_named():
    with pytest.raises(DefinitionError, match="timestamp is missing"):
        FeatureView.from_dict({key: value for key, value in view().to_dict().items() if key != "timestamp"})


def test_the_digest_leaves_out_what_has_no_meaning():
    assert view().digest == view(description="d", owner="o", tags={"t": "x"}).digest
    assert view(ttl="60m").digest == view(ttl="1h").digest


@pytest.mark.parametrize(
    "changes",
    [
        {"columns": ["other"]},
        {"ttl": "1h"},
        {"available_at": "seen"},
        {"where": "x > 0"},
        {"derived": {"x": "1"}},
        {"source": "raw.other"},
        {"timestamp": "other"},
        {"entity": Entity("carrier", ["code"])},
        {"aggregations": [Aggregation("x", "sum", "1d")]},
    ],
)
def test_the_digest_changes_with_the_meaning(changes):
    assert view(**changes).digest != view().digest


def test_the_digest_is_the_same_in_every_process():
    # A literal, so that an accidental change of the format is seen: it would make every registered view look changed.
    assert view().digest == "41e118bec5a9ccc5501f74c43ece0483db820af8eb710cc42beeaa139bccedbf"


def test_the_meaning_of_an_aggregation_counts_in_microseconds():
    made = Aggregation("x", "sum", "7d", where="b")
    assert made.meaning == {
        "column": "x",
        "function": "sum",
        "window": 604_800_000_000,
        "delay": 0,
        "every": None,
        "offset": 0,
        "where": "b",
        "q": None,
        "closed": "left",
        "output": "x_sum_7d",
    }


def test_a_function_is_known_by_its_source():
    def first(frame):
        return frame.a

    def second(frame):
        return frame.b

    assert function_digest(first) != function_digest(second)
    assert view(source=first).digest != view(source=second).digest


def test_a_function_is_known_by_what_it_closes_over():
    def made(limit):
        def condition(frame):
            return frame.x > limit

        return condition

    assert function_digest(made(1)) != function_digest(made(2))


def test_a_local_function_cannot_be_read_back():
    plain = view(where=lambda frame: frame).to_dict()
    with pytest.raises(DefinitionError, match="top level of a module"):
        FeatureView.from_dict(plain)


def test_a_function_that_has_changed_since_is_refused():
    plain = view(where=landed).to_dict()
    plain["where"]["digest"] = "0" * 64
    with pytest.raises(DefinitionError, match="its source has changed"):
        FeatureView.from_dict(plain)


def test_a_function_that_is_gone_is_refused():
    plain = view(where=landed).to_dict()
    plain["where"]["function"] += "_gone"
    with pytest.raises(DefinitionError, match="can't be imported"):
        FeatureView.from_dict(plain)
