"""One test per line of the semantics tables (docs/semantics.md), each on rows that can be read."""

import math
from decimal import Decimal

import pyarrow as pa
import pytest

from lakehouse.errors import DefinitionError, FeatureOverflowError, SchemaError, SchemaMismatchError
from lakehouse.features import Aggregation, Entity, FeatureView
from lakehouse.features.engine import Kernel, compute, feature_schema
from tests.features.frames import MOMENT, computed

H = 3_600_000_000
D = 24 * H


def events(times, values=None, kind=None, **others):
    """Events of one key "a" at these moments, column x with the values."""
    columns = {"k": ["a"] * len(times), "ts": pa.array(times, MOMENT)}
    columns["x"] = pa.array([float(n) for n in range(len(times))] if values is None else values, kind)
    return pa.table({**columns, **others})


def labels(*times, key="a"):
    return pa.table({"k": pa.array([key] * len(times), pa.string()), "t": pa.array(times, MOMENT)})


def view(*aggregations, **changes):
    return FeatureView(
        "v",
        **{"entity": Entity("e", ["k"]), "source": "raw.e", "timestamp": "ts", "aggregations": aggregations, **changes},
    )


def lookup(times, table, **changes):
    return computed(view(columns=["x"], **changes), labels(*times), table)["x"]


def window(times, table, *aggregation, **parameters):
    changes = {"available_at": parameters.pop("available_at", None)}
    return computed(view(Aggregation(*aggregation, name="f", **parameters), **changes), labels(*times), table)["f"]


# lookup


def test_lookup_takes_the_newest_row_at_or_before_t():
    assert lookup([-1, 0, 5, 10, 11], events([0, 10])) == [None, 0.0, 0.0, 1.0, 1.0]


def test_lookup_takes_no_row_that_was_not_available_at_t():
    table = events([0, 10], seen=pa.array([0, 20], MOMENT))
    assert lookup([10, 19, 20], table, available_at="seen") == [0.0, 0.0, 1.0]


def test_lookup_returns_a_null_value_of_the_newest_row_and_never_an_older_one():
    assert lookup([10], events([0, 10], [1.0, None])) == [None]


def test_lookup_of_a_late_correction_takes_effect_when_it_became_available():
    # The row of moment 0 was restated at 30: by then the row of moment 10 is the newest anyway.
    table = events([0, 10, 0], [1.0, 2.0, 9.0], seen=pa.array([0, 10, 30], MOMENT))
    assert lookup([5, 35], table, available_at="seen") == [1.0, 2.0]


def test_ttl_holds_up_to_and_at_its_length():
    assert lookup([H, H + 1], events([0]), ttl="1h") == [0.0, None]


def test_ttl_of_zero_takes_the_exact_moment_only():
    assert lookup([0, 1], events([0]), ttl="0s") == [0.0, None]


def test_ttl_never_falls_back_to_an_older_row():
    # The newest row is expired, so an older one is even more so.
    table = events([0, 5], seen=pa.array([0, 5], MOMENT))
    assert lookup([5 + H + 1], table, ttl="1h", available_at="seen") == [None]


def test_ties_take_the_greatest_availability_first():
    table = events([0, 0, 0], [1.0, 2.0, 3.0], seen=pa.array([1, 5, 3], MOMENT))
    assert lookup([4, 5], table, available_at="seen") == [3.0, 2.0]


def test_ties_then_take_the_greatest_remaining_columns_in_the_tables_order():
    table = events([0, 0, 0], [1.0, 1.0, 1.0], y=["b", "c", "a"], z=[1, 2, 3])
    assert computed(view(columns=["z"]), labels(0), table)["z"] == [2]
    assert computed(view(columns=["z"]), labels(0), table, order=["z"])["z"] == [3]


def test_ties_put_null_least_and_nan_greatest():
    table = events([0, 0, 0], [None, math.nan, math.inf])
    assert math.isnan(lookup([0], table)[0])
    assert window([1], table, "x", "first", "1h") == [math.inf]
    assert lookup([0], events([0, 0], [None, -math.inf])) == [-math.inf]


def test_ties_skip_columns_without_an_order():
    maps = pa.array([[("a", 2)], [("a", 1)]], pa.map_(pa.string(), pa.int32()))
    table = pa.table({"k": ["a", "a"], "ts": pa.array([0, 0], MOMENT), "m": maps, "z": [1, 2]})
    assert computed(view(columns=["z", "m"]), labels(0), table) == {"z": [2], "m": [[("a", 1)]]}


# windows


@pytest.mark.parametrize(
    ("closed", "values"), [("left", [0.0, 1.0]), ("right", [1.0, 2.0]), ("both", [0.0, 1.0, 2.0]), ("neither", [1.0])]
)
def test_window_holds_the_ends_that_closed_says(closed, values):
    # The window of t = 2 h is 0 h to 2 h: events at its start, inside, and at its end.
    assert window([2 * H], events([0, H, 2 * H]), "x", "last_n", "2h", n=9, closed=closed) == [values]


def test_window_is_closed_on_the_left_by_default_to_the_microsecond():
    table = events([0])
    assert window([0, 1, H, H + 1], table, "*", "count", "1h") == [0, 1, 1, 0]


def test_delay_moves_the_window_back():
    table = events([0])
    assert window([D, D + 1, D + H, D + H + 1], table, "*", "count", "1h", delay="1d") == [0, 1, 1, 0]


def test_available_at_counts_an_event_only_if_it_was_available_at_t():
    table = events([0, 1, 2], seen=pa.array([10, 5, 2], MOMENT))
    assert window([3, 5, 9, 10], table, "x", "last_n", "1h", n=9, available_at="seen") == [
        [2.0],
        [1.0, 2.0],
        [1.0, 2.0],
        [0.0, 1.0, 2.0],
    ]


def test_available_at_before_the_event_does_not_let_it_in_early():
    table = events([10], seen=pa.array([0], MOMENT))
    assert window([5, 10, 11], table, "*", "count", "1h", available_at="seen") == [0, 0, 1]


def test_available_at_is_compared_with_t_itself_when_every_rounds():
    table = events([10], seen=pa.array([2 * H + 5], MOMENT))
    assert window([2 * H + 4, 2 * H + 5], table, "*", "count", "3h", every="1h", available_at="seen") == [0, 1]


def test_every_ends_the_window_at_t_rounded_down_in_utc():
    table = events([0, H - 1, H])
    assert window([H - 1, H, H + 1, 2 * H], table, "x", "last_n", "1h", n=9, every="1h") == [
        None,
        [0.0, 1.0],
        [0.0, 1.0],
        [2.0],
    ]


def test_every_rounds_down_before_1970_too():
    assert window([-1, 0], events([-H]), "*", "count", "1h", every="1h") == [0, 1]


def test_offset_moves_the_multiples_of_every():
    table = events([0])
    assert window([10, 30 * 60_000_000], table, "*", "count", "1d", every="1h", offset="30m") == [0, 1]


def test_every_with_delay_first_rounds_then_moves_back():
    # t = 1 h 59 min rounds to 1 h and moves back 30 min: the window ends at 30 min, and holds the event at 29 min.
    table = events([29 * 60_000_000, 31 * 60_000_000])
    assert window([2 * H - 60_000_000], table, "x", "last_n", "1d", n=9, every="1h", delay="30m") == [[0.0]]


def test_lifetime_windows_hold_the_whole_past():
    table = events([-62135596800000000, 0, 253402300799999999])
    assert window([0, 1, 253402300799999999], table, "*", "count", None) == [1, 2, 2]


def test_lifetime_windows_are_closed_at_t_when_asked():
    assert window([0], events([0]), "*", "count", None, closed="right") == [1]


@pytest.mark.parametrize("function", ["count", "count_distinct", "approx_count_distinct"])
def test_empty_windows_count_zero(function):
    assert window([0], events([0]), "x", function, "1h") == [0]


@pytest.mark.parametrize(
    "function",
    [
        "sum",
        "mean",
        "min",
        "max",
        "stddev",
        "variance",
        "first",
        "last",
        "percentile",
        "approx_percentile",
        "last_n",
        "time_since_last",
    ],
)
def test_empty_windows_give_null_for_everything_else(function):
    parameters = {"q": 0.5} if "percentile" in function else {"n": 2} if function == "last_n" else {}
    assert window([0], events([0]), "x", function, "1h", **parameters) == [None]
    assert window([1], events([0], [None], pa.float64()), "x", function, "1h", **parameters) == [None]


def test_default_replaces_a_null_whatever_made_it_null():
    assert window([0, 1], events([0]), "x", "sum", "1h", default=-1) == [-1.0, 0.0]
    assert window([1], events([0], [None], pa.float64()), "x", "sum", "1h", default=-1) == [-1.0]
    assert window([1], events([0], [5.0]), "x", "stddev", "1h", default=0) == [0.0]


def test_default_has_the_type_of_its_feature():
    with pytest.raises(DefinitionError, match=r"'f' of view 'v': default='none' is not a double"):
        window([0], events([0]), "x", "sum", "1h", default="none")
    with pytest.raises(DefinitionError, match="is not a string"):
        window([0], events([0], ["a"]), "x", "last", "1h", default=3)
    with pytest.raises(DefinitionError, match=r"default=1.5 is not a int64"):
        window([0], events([0], [1]), "x", "sum", "1h", default=1.5)


def test_null_values_are_skipped_by_all_but_count_of_rows():
    table = events([0, 1, 2], [1.0, None, 3.0])
    assert window([5], table, "*", "count", "1h") == [3]
    assert window([5], table, "x", "count", "1h") == [2]
    assert window([5], table, "x", "mean", "1h") == [2.0]
    assert window([5], events([0, 1], [7.0, None]), "x", "last", "1h") == [7.0]


@pytest.mark.parametrize(
    ("function", "value"), [("sum", math.nan), ("mean", math.nan), ("max", math.nan), ("min", 1.0), ("count", 2)]
)
def test_nan_is_a_value_and_the_greatest(function, value):
    (found,) = window([5], events([0, 1], [math.nan, 1.0]), "x", function, "1h")
    assert found == value or (math.isnan(found) and math.isnan(value))


def test_nan_and_infinities_leave_other_windows_alone():
    table = events([0, H, 2 * H, 3 * H], [math.nan, math.inf, -math.inf, 0.1])
    found = window([1, H + 1, 2 * H + 1, 3 * H + 1], table, "x", "sum", "1h")
    assert math.isnan(found[0])
    assert found[1:] == [math.inf, -math.inf, 0.1]


def test_opposite_infinities_sum_to_nan():
    assert math.isnan(window([5], events([0, 1], [math.inf, -math.inf]), "x", "sum", "1h")[0])


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_the_spread_of_what_is_not_finite_is_nan(odd):
    assert math.isnan(window([5], events([0, 1], [odd, 1.0]), "x", "stddev", "1h")[0])


def test_where_decides_which_events_count_and_null_does_not():
    table = events([0, 1, 2], flag=[True, False, None])
    assert window([5], table, "x", "last_n", "1h", n=9, where="flag") == [[0.0]]


def test_each_window_has_its_own_length():
    made = view(*[Aggregation("*", "count", length, name=length) for length in ("1h", "2h", "3h")])
    assert computed(made, labels(3 * H), events([0, H, 2 * H])) == {"1h": [1], "2h": [2], "3h": [3]}


def test_extremes_put_the_negative_zero_before_the_other():
    for values in ([0.0, -0.0], [-0.0, 0.0]):
        (least,) = window([5], events([0, 1], values), "x", "min", "1h")
        (greatest,) = window([5], events([0, 1], values), "x", "max", "1h")
        assert (math.copysign(1, least), math.copysign(1, greatest)) == (-1, 1)


# labels and sources


def test_labels_with_a_null_key_or_moment_are_kept_and_match_nothing():
    asked = pa.table({"k": [None, "a"], "t": pa.array([5, None], MOMENT)})
    table = pa.table({"k": [None, "a"], "ts": pa.array([0, 0], MOMENT), "x": [1.0, 2.0]})
    made = view(Aggregation("*", "count", None), Aggregation("x", "sum", None), columns=["x"])
    assert computed(made, asked, table) == {"x": [None, None], "count_lifetime": [0, 0], "x_sum_lifetime": [None, None]}


def test_label_rows_are_kept_in_order_duplicates_too():
    assert lookup([10, 0, 10, -1, 10], events([0, 10])) == [1.0, 0.0, 1.0, None, 1.0]


def test_source_rows_with_a_null_moment_or_availability_are_never_used():
    table = events([None, 0, 1], seen=pa.array([0, None, 1], MOMENT))
    assert window([5], table, "x", "last_n", None, n=9, available_at="seen") == [[2.0]]
    assert lookup([5], table, available_at="seen") == [2.0]


def test_composite_keys_are_tuples_and_never_concatenated():
    asked = pa.table({"a": ["1", "12"], "b": ["23", "3"], "t": pa.array([1, 1], MOMENT)})
    table = pa.table({"a": ["1", "12"], "b": ["23", "3"], "ts": pa.array([0, 0], MOMENT), "x": [1.0, 2.0]})
    made = view(columns=["x"], entity=Entity("e", ["a", "b"]))
    assert computed(made, asked, table)["x"] == [1.0, 2.0]


def test_every_combination_of_parts_is_a_key_of_its_own():
    parts = {"a": ["x", "x", "y", "y"], "b": ["x", "y", "x", "y"]}
    asked = pa.table({**parts, "t": pa.array([1] * 4, MOMENT)})
    table = pa.table({**parts, "ts": pa.array([0] * 4, MOMENT), "x": [1.0, 2.0, 3.0, 4.0]})
    made = view(columns=["x"], entity=Entity("e", ["a", "b"]))
    assert computed(made, asked, table)["x"] == [1.0, 2.0, 3.0, 4.0]


def test_an_entity_without_keys_matches_every_label():
    made = view(columns=["x"], entity=Entity("world", []))
    assert computed(made, labels(1), events([0]))["x"] == [0.0]


def test_keys_may_have_other_names_in_the_labels():
    asked = pa.table({"airline": ["a"], "t": pa.array([1], MOMENT)})
    assert computed(view(columns=["x"]), asked, events([0]), label_keys=["airline"])["x"] == [0.0]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (pa.array([7], pa.int32()), pa.array([7], pa.int64())),
        (pa.array([7], pa.int64()), pa.array([Decimal("7.00")], pa.decimal128(10, 2))),
        (pa.array([7.0], pa.float32()), pa.array([7.0], pa.float64())),
        (pa.array([7], pa.int32()), pa.array([7.0], pa.float64())),
        (pa.array(["a"], pa.large_string()), pa.array(["a"])),
        (pa.array(["a"]).dictionary_encode(), pa.array(["a"])),
        (pa.array([b"a"]), pa.array([b"a"], pa.large_binary())),
        (pa.array([True]), pa.array([True])),
        (pa.array([0], pa.timestamp("s", "UTC")), pa.array([0], pa.timestamp("us", "Europe/Paris"))),
        (pa.array([5], pa.date32()), pa.array([5], pa.date32())),
        (pa.array([math.nan]), pa.array([math.nan])),
        (pa.array([0.0]), pa.array([-0.0])),
        (pa.array([{"a": 1, "b": None}]), pa.array([{"a": 1, "b": None}])),
        (pa.array([[1, 2]]), pa.array([[1, 2]])),
    ],
    ids=lambda side: str(side.type),
)
def test_key_types_are_widened_where_no_value_is_lost(ours, theirs):
    asked = pa.table({"k": ours, "t": pa.array([1], MOMENT)})
    table = pa.table({"k": theirs, "ts": pa.array([0], MOMENT), "x": [1.0]})
    assert computed(view(columns=["x"]), asked, table)["x"] == [1.0]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (pa.array([7], pa.int64()), pa.array([7.0])),
        (pa.array(["7"]), pa.array([7])),
        (pa.array([True]), pa.array([1])),
        (pa.array([0], pa.timestamp("us")), pa.array([0], MOMENT)),
        (pa.array([0], pa.date32()), pa.array([0], MOMENT)),
        (pa.array([7], pa.int64()), pa.array([Decimal(7)], pa.decimal128(38, 30))),
    ],
    ids=lambda side: str(side.type),
)
def test_key_types_that_would_lose_a_value_are_refused(ours, theirs):
    asked = pa.table({"k": ours, "t": pa.array([1], MOMENT)})
    table = pa.table({"k": theirs, "ts": pa.array([0], MOMENT), "x": [1.0]})
    with pytest.raises(SchemaMismatchError, match="'k'"):
        computed(view(columns=["x"]), asked, table)


@pytest.mark.parametrize("naive", ["labels", "events", "seen"])
def test_timestamps_without_a_zone_are_refused_with_the_fix(naive):
    kinds = {name: pa.timestamp("us") if name == naive else MOMENT for name in ("labels", "events", "seen")}
    asked = pa.table({"k": ["a"], "t": pa.array([1], kinds["labels"])})
    table = pa.table(
        {"k": ["a"], "ts": pa.array([0], kinds["events"]), "seen": pa.array([0], kinds["seen"]), "x": [1.0]}
    )
    with pytest.raises(SchemaError, match="cast it to TIMESTAMP"):
        computed(view(columns=["x"], available_at="seen"), asked, table)


def test_moments_are_microseconds_from_year_1_to_9999():
    first, last = -62135596800000000, 253402300799999999
    table = pa.table(
        {"k": ["a"] * 4, "ts": pa.array([first, first + 1, last - 1, last], MOMENT), "x": [0.0, 1.0, 2.0, 3.0]}
    )
    assert lookup([first, first + 1, last - 2, last - 1, last], table) == [0.0, 1.0, 1.0, 2.0, 3.0]
    assert window([first + 1, last], table, "x", "last_n", "1us", n=9) == [[0.0], [2.0]]


# functions and types


def test_functions_of_integers():
    table = events([0, 1, 2, 3], [1, 2, 2, 10], pa.int32())
    expected = {
        "sum": 15,
        "mean": 3.75,
        "min": 1,
        "max": 10,
        "first": 1,
        "last": 10,
        "count_distinct": 3,
        "approx_count_distinct": 3,
        "count": 4,
    }
    for function, value in expected.items():
        assert window([5], table, "x", function, "1h") == [value], function
    assert window([5], table, "x", "variance", "1h") == [(4 * 109 - 15**2) / 12]
    assert window([5], table, "x", "stddev", "1h") == [math.sqrt((4 * 109 - 15**2) / 12)]


@pytest.mark.parametrize(("q", "value"), [(0, 1.0), (0.25, 1.75), (0.5, 2.5), (1, 10.0)])
def test_percentile_interpolates_linearly(q, value):
    assert window([5], events([0, 1, 2, 3], [10, 3, 1, 2]), "x", "percentile", "1h", q=q) == [value]


@pytest.mark.parametrize(("q", "value"), [(0, 1), (0.25, 1), (0.5, 2), (0.51, 3), (1, 10)])
def test_approx_percentile_is_a_value_of_the_window(q, value):
    assert window([5], events([0, 1, 2, 3], [10, 3, 1, 2]), "x", "approx_percentile", "1h", q=q) == [value]


def test_stddev_and_variance_of_one_value_are_null():
    table = events([0, 1], [5.0, 7.0])
    assert window([1, 2], table, "x", "variance", "1h") == [None, 2.0]
    assert window([1], table, "x", "stddev", "1h") == [None]


def test_variance_does_not_cancel():
    table = events([0, 1, 2], [1e9, 1e9 + 1, 1e9 + 2])
    assert window([5], table, "x", "variance", "1h") == [1.0]
    assert window([5], events([0, 1], [0.1, 0.1]), "x", "variance", "1h") == [0.0]


def test_float_sums_are_rounded_once_and_depend_on_their_window_alone():
    table = events([0, 1, 2, 10], [1e300, 1.0, -1e300, 0.1])
    assert window([5, 12], table, "x", "sum", "10us") == [1.0, -1e300 + 0.1]
    assert window([11], table, "x", "sum", "1us") == [0.1]


def test_integer_sums_are_exact_and_overflow_is_an_error():
    most = 2**63 - 1
    assert window([5], events([0, 1, 2], [most, 1, -1], pa.int64()), "x", "sum", "1h") == [most]
    assert window([5], events([0, 1], [-(2**62), -(2**62)], pa.int64()), "x", "sum", "1h") == [-(2**63)]
    with pytest.raises(FeatureOverflowError, match=r"feature 'f' of view 'v': a sum is 9223372036854775808"):
        window([5], events([0, 1], [most, 1], pa.int64()), "x", "sum", "1h")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([-(2**63), -1], pa.int64()),
        ([Decimal("-" + "9" * 36 + ".99"), Decimal("-0.01")], pa.decimal128(38, 2)),
    ],
    ids=["bigint", "decimal"],
)
def test_sums_below_their_type_are_an_error_too(values, kind):
    with pytest.raises(FeatureOverflowError, match="a sum is -"):
        window([5], events([0, 1], values, kind), "x", "sum", "1h")


def test_functions_of_decimals():
    table = events([0, 1, 2], [Decimal("-1.50"), Decimal("0.25"), Decimal("2.00")], pa.decimal128(10, 2))
    assert window([5], table, "x", "sum", "1h") == [Decimal("0.75")]
    assert window([5], table, "x", "mean", "1h") == [0.25]
    assert window([5], table, "x", "variance", "1h") == [3.0625]
    assert window([5], table, "x", "percentile", "1h", q=0.75) == [1.125]


def test_decimal_sums_are_exact_and_overflow_is_an_error():
    wide = pa.decimal128(38, 2)
    big = Decimal("9" * 36 + ".99")
    assert window([5], events([0, 1, 2], [big, Decimal("0.01"), Decimal("-0.01")], wide), "x", "sum", "1h") == [big]
    assert window([5], events([0, 1], [big.copy_negate(), Decimal("0.00")], wide), "x", "sum", "1h") == [
        big.copy_negate()
    ]
    with pytest.raises(FeatureOverflowError, match="outside decimal"):
        window([5], events([0, 1], [big, Decimal("0.01")], wide), "x", "sum", "1h")


def test_the_mean_of_large_integers_is_their_exact_sum_divided():
    assert window([5], events([0, 1], [2**63 - 1, 2**63 - 1], pa.int64()), "x", "mean", "1h") == [float(2**63 - 1)]


def test_first_and_last_follow_time_then_ties():
    table = events([1, 0, 1, 0], ["d", "b", "c", "a"])
    assert window([5], table, "x", "first", "1h") == ["a"]
    assert window([5], table, "x", "last", "1h") == ["d"]


def test_last_n_is_in_time_order_newest_last_and_null_when_empty():
    table = events([2, 0, 1], ["c", "a", "b"])
    assert window([0, 1, 3], table, "x", "last_n", "1h", n=2) == [None, ["a"], ["b", "c"]]


def test_time_since_last_is_seconds_to_t_itself():
    table = events([0, 1_500_000], [None, 1.0])
    assert window([2_000_000], table, "*", "time_since_last", "1h") == [0.5]
    assert window([2_000_000], table, "*", "time_since_last", "1h", delay="1s") == [2.0]
    assert window([2 * H + 7_000_000], table, "*", "time_since_last", "2h", every="1h") == [2 * 3600 + 7 - 1.5]
    assert window([2_000_000], events([0, 1], [1.0, None]), "x", "time_since_last", "1h") == [2.0]


@pytest.mark.parametrize(
    ("values", "kind", "least", "greatest", "distinct"),
    [
        (["b", "é", "a", "b"], pa.string(), "a", "é", 3),
        ([True, False, True], pa.bool_(), False, True, 2),
        ([Decimal("1.50"), Decimal("-3.00")], pa.decimal128(20, 2), Decimal("-3.00"), Decimal("1.50"), 2),
        ([b"\xff", b"\x00"], pa.binary(), b"\x00", b"\xff", 2),
        ([[1, 2], [1], [None]], pa.list_(pa.int64()), [None], [1, 2], 3),
        ([{"a": 1, "b": "y"}, {"a": None, "b": "z"}, {"a": 1, "b": "x"}], None,
         {"a": None, "b": "z"}, {"a": 1, "b": "y"}, 3),
        ([1.5, math.inf, -math.inf], pa.float32(), -math.inf, math.inf, 3),
        ([2**62, -(2**62)], pa.int64(), -(2**62), 2**62, 2),
    ],
    ids=lambda value: str(value) if isinstance(value, pa.DataType) else None,
)  # fmt: skip
def test_every_orderable_type_has_extremes_ends_and_distinct_counts(values, kind, least, greatest, distinct):
    table = events(list(range(len(values))), values, kind)
    expected = {"min": least, "max": greatest, "first": values[0], "last": values[-1], "count_distinct": distinct}
    for function, value in expected.items():
        assert window([99], table, "x", function, "1h") == [value], function


def test_nan_is_one_value_and_the_zeros_are_one_value_when_counting_distinct():
    assert window([9], events([0, 1, 2, 3], [math.nan, math.nan, 0.0, -0.0]), "x", "count_distinct", "1h") == [2]


def test_looked_up_values_may_have_any_type():
    values = pa.table({
        "s": ["a"], "b": [True], "d": pa.array([Decimal("1.5")]), "l": [[1, None]], "r": [{"a": 1}],
        "n": pa.array([5], pa.timestamp("us")), "y": pa.array([3], pa.date32()), 
        "c": pa.array(["z"]).dictionary_encode(),
    })  # fmt: skip
    table = values.append_column("k", pa.array(["a"])).append_column("ts", pa.array([0], MOMENT))
    kernel = Kernel.of(view(columns=values.column_names), label_timestamp="t")
    found = compute(kernel, labels(1, -1), table)
    assert found.slice(0, 1).to_pylist() == values.to_pylist()
    assert all(value is None for value in found.slice(1, 1).to_pylist()[0].values())


@pytest.mark.parametrize(
    ("function", "kind", "out"),
    [
        ("sum", pa.int8(), pa.int64()),
        ("sum", pa.int64(), pa.int64()),
        ("sum", pa.decimal128(10, 2), pa.decimal128(38, 2)),
        ("sum", pa.float32(), pa.float64()),
        ("mean", pa.int32(), pa.float64()),
        ("mean", pa.decimal128(10, 2), pa.float64()),
        ("stddev", pa.int32(), pa.float64()),
        ("min", pa.float32(), pa.float32()),
        ("max", pa.date32(), pa.date32()),
        ("first", pa.string(), pa.string()),
        ("last", pa.map_(pa.string(), pa.int8()), pa.map_(pa.string(), pa.int8())),
        ("count", pa.string(), pa.int64()),
        ("count_distinct", pa.string(), pa.int64()),
        ("time_since_last", pa.string(), pa.float64()),
    ],
)
def test_features_have_the_types_of_the_table_even_without_rows(function, kind, out):
    table = pa.table({"k": pa.array([], pa.string()), "ts": pa.array([], MOMENT), "x": pa.array([], kind)})
    kernel = Kernel.of(view(Aggregation("x", function, "1h", name="f")), label_timestamp="t")
    assert feature_schema(kernel, table.schema) == pa.schema([("f", out)])
    assert compute(kernel, labels(1), table).schema == pa.schema([("f", out)])
    assert compute(kernel, labels(), table).num_rows == 0


@pytest.mark.parametrize(
    ("function", "kind"),
    [("sum", pa.string()), ("mean", pa.bool_()), ("stddev", pa.date32()), ("min", pa.map_(pa.string(), pa.int8())),
     ("percentile", pa.string()), ("sum", pa.uint64()), ("count_distinct", pa.map_(pa.string(), pa.int8()))],
)  # fmt: skip
def test_a_function_without_meaning_for_its_column_is_refused(function, kind):
    parameters = {"q": 0.5} if function == "percentile" else {}
    kernel = Kernel.of(view(Aggregation("x", function, "1h", name="f", **parameters)), label_timestamp="t")
    schema = pa.schema([("k", pa.string()), ("ts", MOMENT), ("x", kind)])
    with pytest.raises(DefinitionError, match=f"'f' of view 'v': {function} has no meaning for column 'x'"):
        feature_schema(kernel, schema)


def test_a_column_that_is_missing_is_named_with_the_view():
    kernel = Kernel.of(view(columns=["gone"]), label_timestamp="t")
    with pytest.raises(SchemaError, match=r"the source of feature view 'v' has no column 'gone'"):
        feature_schema(kernel, events([0]).schema)
