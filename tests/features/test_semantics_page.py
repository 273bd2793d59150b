"""Every line of docs/semantics.md has tests: here they are by name, and a line without one fails."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "semantics.md"

SEMANTICS = {
    "lookup": ["test_lookup_takes_the_newest_row_at_or_before_t"],
    "a null in the newest row": ["test_lookup_returns_a_null_value_of_the_newest_row_and_never_an_older_one"],
    "`ttl`": ["test_ttl_holds_up_to_and_at_its_length", "test_ttl_never_falls_back_to_an_older_row"],
    "`ttl` of zero": ["test_ttl_of_zero_takes_the_exact_moment_only"],
    "`available_at`": [
        "test_lookup_takes_no_row_that_was_not_available_at_t",
        "test_available_at_counts_an_event_only_if_it_was_available_at_t",
        "test_available_at_before_the_event_does_not_let_it_in_early",
        "test_lookup_of_a_late_correction_takes_effect_when_it_became_available",
    ],
    "ties on key and timestamp": [
        "test_ties_take_the_greatest_availability_first",
        "test_ties_then_take_the_greatest_remaining_columns_in_the_tables_order",
        "test_ties_put_null_least_and_nan_greatest",
        "test_ties_skip_columns_without_an_order",
    ],
    "window": ["test_window_is_closed_on_the_left_by_default_to_the_microsecond"],
    "`closed`": ["test_window_holds_the_ends_that_closed_says"],
    "`delay`": ["test_delay_moves_the_window_back"],
    "`every`": [
        "test_every_ends_the_window_at_t_rounded_down_in_utc",
        "test_every_rounds_down_before_1970_too",
    ],
    "`offset`": ["test_offset_moves_the_multiples_of_every"],
    "`every` with `delay`": ["test_every_with_delay_first_rounds_then_moves_back"],
    "`every` with `available_at`": ["test_available_at_is_compared_with_t_itself_when_every_rounds"],
    "`window=None`": [
        "test_lifetime_windows_hold_the_whole_past",
        "test_lifetime_windows_are_closed_at_t_when_asked",
    ],
    "several windows": ["test_each_window_has_its_own_length"],
    "null timestamp, or null `available_at` where one is declared": [
        "test_source_rows_with_a_null_moment_or_availability_are_never_used"
    ],
    "label rows": ["test_label_rows_are_kept_in_order_duplicates_too"],
    "null key or null *t*": ["test_labels_with_a_null_key_or_moment_are_kept_and_match_nothing"],
    "composite keys": [
        "test_composite_keys_are_tuples_and_never_concatenated",
        "test_every_combination_of_parts_is_a_key_of_its_own",
    ],
    "key types": [
        "test_key_types_are_widened_where_no_value_is_lost",
        "test_key_types_that_would_lose_a_value_are_refused",
    ],
    "NaN and zeros in keys": ["test_key_types_are_widened_where_no_value_is_lost"],
    "an entity without keys": ["test_an_entity_without_keys_matches_every_label"],
    "timestamps without a zone": ["test_timestamps_without_a_zone_are_refused_with_the_fix"],
    "keys under other names": ["test_keys_may_have_other_names_in_the_labels"],
    "empty window": [
        "test_empty_windows_count_zero",
        "test_empty_windows_give_null_for_everything_else",
        "test_where_decides_which_events_count_and_null_does_not",
    ],
    "`default`": [
        "test_default_replaces_a_null_whatever_made_it_null",
        "test_default_has_the_type_of_its_feature",
    ],
    "null in the column": ["test_null_values_are_skipped_by_all_but_count_of_rows"],
    "NaN": ["test_nan_is_a_value_and_the_greatest"],
    "infinities": [
        "test_opposite_infinities_sum_to_nan",
        "test_the_spread_of_what_is_not_finite_is_nan",
        "test_nan_and_infinities_leave_other_windows_alone",
    ],
    "`sum` of doubles": ["test_float_sums_are_rounded_once_and_depend_on_their_window_alone"],
    "`sum` of integers": [
        "test_integer_sums_are_exact_and_overflow_is_an_error",
        "test_sums_below_their_type_are_an_error_too",
    ],
    "`sum` of decimal(p, s)": ["test_decimal_sums_are_exact_and_overflow_is_an_error"],
    "`mean`": ["test_functions_of_decimals", "test_the_mean_of_large_integers_is_their_exact_sum_divided"],
    "`variance`, `stddev`": ["test_variance_does_not_cancel", "test_stddev_and_variance_of_one_value_are_null"],
    "`min`, `max`": [
        "test_every_orderable_type_has_extremes_ends_and_distinct_counts",
        "test_extremes_put_the_negative_zero_before_the_other",
    ],
    "`first`, `last`": ["test_first_and_last_follow_time_then_ties"],
    "`last_n`": ["test_last_n_is_in_time_order_newest_last_and_null_when_empty"],
    "`count_distinct`": ["test_nan_is_one_value_and_the_zeros_are_one_value_when_counting_distinct"],
    "`percentile`": ["test_percentile_interpolates_linearly"],
    "`approx_count_distinct`": ["test_functions_of_integers"],
    "`approx_percentile`": ["test_approx_percentile_is_a_value_of_the_window"],
    "`time_since_last`": ["test_time_since_last_is_seconds_to_t_itself"],
    "looked-up values": ["test_looked_up_values_may_have_any_type"],
}
ELSEWHERE = {
    "expired": ("online/test_records.py", ["test_statuses_tell_present_null_expired_and_not_yet_known"]),
    "a feature named like a label column": (
        "features/test_store.py",
        ["test_labels_that_do_not_fit_are_refused_with_the_column"],
    ),
    "two features of one name": (
        "features/test_registered.py",
        ["test_a_change_that_breaks_a_registered_service_is_refused"],
    ),
    "names": ("features/test_definitions.py", ["test_a_feature_is_named_by_column_function_window_and_delay"]),
    "source": (
        "features/test_sources.py",
        [
            "test_a_query_reads_its_tables_at_the_pinned_versions",
            "test_a_function_is_given_the_rows_of_the_tables_that_it_names",
        ],
    ),
    "a table without a schema in a query, reads around what a function is given": (
        "features/test_sources.py",
        [
            "test_a_source_that_can_not_be_used_is_refused_by_the_views_name",
            "test_a_function_that_reads_around_what_it_is_given_is_refused",
        ],
    ),
    "on-demand feature": (
        "features/test_on_demand.py",
        [
            "test_each_feature_sees_those_before_it_and_the_moment_asked_for",
            "test_batches_on_executors_give_what_the_online_code_gives",
        ],
    ),
    "null input of an on-demand feature": (
        "features/test_on_demand.py",
        ["test_a_null_input_gives_null_unless_the_function_takes_nulls"],
    ),
    "a function that fails, or gives another type": (
        "features/test_on_demand.py",
        ["test_a_function_that_fails_is_told_with_its_inputs", "test_values_of_another_type_are_refused"],
    ),
    "an on-demand feature of a stale value": (
        "online/test_on_demand.py",
        ["test_what_is_made_of_a_stale_value_is_stale"],
    ),
    "no labels": (
        "features/test_snapshots.py",
        ["test_every_entity_that_was_known_is_there_at_each_moment", "test_labels_and_times_are_one_or_the_other"],
    ),
    "when an entity is known": (
        "features/test_snapshots.py",
        ["test_every_entity_that_was_known_is_there_at_each_moment"],
    ),
    "feature tables": (
        "features/test_offline_tables.py",
        ["test_a_feature_table_is_always_what_a_full_computation_gives"],
    ),
    "YAML": (
        "features/test_definition_files.py",
        ["test_a_file_says_what_python_says", "test_what_has_no_meaning_is_told_by_file_and_key"],
    ),
    "a changed meaning": (
        "features/test_registered.py",
        ["test_names_have_versions_and_a_removed_one_counts_on"],
    ),
    "a removed definition": (
        "features/test_registered.py",
        ["test_names_have_versions_and_a_removed_one_counts_on"],
    ),
    "`verify`": (
        "features/test_verification.py",
        [
            "test_what_is_right_passes_every_check",
            "test_a_source_that_looks_into_the_future_is_caught",
            "test_values_that_depend_on_chance_are_caught",
        ],
    ),
}
TESTS = {line: ("features/test_semantics.py", tests) for line, tests in SEMANTICS.items()} | ELSEWHERE


def lines_of_the_page():
    rules = PAGE.read_text(encoding="utf-8").split("## System by system")[0]
    first = [row.split("|")[1].strip() for row in rules.splitlines() if row.startswith("|")]
    return [cell for cell in first if cell != "question" and not cell.startswith("---")]


def test_every_line_has_tests_and_every_entry_a_line():
    lines = lines_of_the_page()
    assert sorted(lines) == sorted(set(lines))
    assert set(lines) == set(TESTS)


@pytest.mark.parametrize("line", TESTS)
def test_the_tests_of_a_line_are_there(line):
    file, names = TESTS[line]
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert set(names) <= there
