import pytest
from pyspark.sql import types as T

from lakehouse.errors import MissingColumnsError, SchemaError, SchemaMismatchError
from lakehouse.schema import check_columns, check_mode, fit, is_lossless, schema_change, schema_digest

INT, LONG, FLOAT, DOUBLE, STRING = T.IntegerType(), T.LongType(), T.FloatType(), T.DoubleType(), T.StringType()


def struct(**columns):
    return T.StructType([T.StructField(name, kind) for name, kind in columns.items()])


@pytest.mark.parametrize(
    ("narrow", "wide", "kept"),
    [
        (INT, LONG, True),
        (LONG, INT, False),
        (INT, DOUBLE, True),
        (LONG, DOUBLE, False),  # 2^53 + 1 is no double
        (INT, FLOAT, False),
        (FLOAT, DOUBLE, True),
        (INT, T.DecimalType(10, 0), True),
        (INT, T.DecimalType(10, 2), False),
        (T.DecimalType(10, 2), T.DecimalType(12, 3), True),
        (T.DecimalType(10, 2), T.DecimalType(12, 5), False),
        (T.DateType(), T.TimestampType(), False),
        (T.TimestampNTZType(), T.TimestampType(), False),
        (INT, STRING, False),
    ],
)
def test_a_cast_is_lossless_only_where_every_value_survives(narrow, wide, kept):
    assert is_lossless(narrow, wide) is kept


def test_strict_takes_the_same_columns_in_any_order():
    fitted = fit("t", struct(a=LONG, b=STRING), struct(b=STRING, a=INT), "strict")
    assert fitted.columns == (("a", LONG), ("b", None))
    assert (fitted.added, fitted.widened) == ((), ())


def test_nullability_and_comments_do_not_matter():
    told = T.StructType([T.StructField("a", T.ArrayType(LONG, False), False, {"comment": "x"})])
    assert fit("t", told, struct(a=T.ArrayType(LONG)), "strict").columns == (("a", None),)
    assert schema_digest(told) == schema_digest(struct(a=T.ArrayType(LONG)))


def test_additive_takes_new_and_absent_columns_widen_larger_types():
    fitted = fit("t", struct(a=LONG, b=STRING), struct(a=LONG, c=INT), "additive")
    assert (fitted.columns, fitted.added) == ((("a", None), ("c", None)), ("c",))
    assert fit("t", struct(a=INT), struct(a=LONG), "widen").widened == ("a",)


def test_every_column_that_does_not_fit_is_named():
    with pytest.raises(SchemaMismatchError) as caught:
        fit("t", struct(a=LONG, b=STRING), struct(a=STRING, c=INT), "strict")
    assert caught.value.differences == {"a": ("bigint", "string"), "b": ("string", None), "c": (None, "int")}
    with pytest.raises(SchemaMismatchError, match="widen"):
        fit("t", struct(a=INT), struct(a=LONG), "strict")
    with pytest.raises(SchemaMismatchError, match="additive"):
        fit("t", struct(a=INT), struct(a=INT, b=INT), "strict")


def test_names_that_differ_in_case_only_are_refused():
    with pytest.raises(SchemaError, match="'a' and 'A'"):
        fit("t", struct(a=INT), struct(A=INT), "additive")
    with pytest.raises(SchemaError, match="'b' and 'B'"):
        fit("t", struct(a=INT), struct(a=INT, b=INT, B=INT), "additive")


def test_a_digest_tells_names_order_and_types_apart():
    variants = [struct(a=INT, b=INT), struct(b=INT, a=INT), struct(a=INT, c=INT), struct(a=INT, b=LONG), struct(a=INT)]
    digests = [schema_digest(variant) for variant in variants]
    assert len(set(digests)) == len(variants)
    assert all(len(digest) == 16 for digest in digests)


def test_a_change_tells_what_came_went_and_became_another_type():
    change = schema_change(struct(a=INT, b=INT), struct(a=LONG, c=STRING))
    assert (change.added, change.removed, change.changed) == ({"c": "string"}, {"b": "int"}, {"a": ("int", "bigint")})
    assert str(change) == "+ c string\n- b int\n~ a int -> bigint"
    assert not schema_change(struct(a=INT), struct(a=INT))


def test_missing_columns_and_unknown_modes_are_told():
    with pytest.raises(MissingColumnsError, match="'x', 'y'"):
        check_columns("t", ["x", "a", "y"], ["a", "b"])
    with pytest.raises(SchemaError, match="loose"):
        check_mode("t", "loose", ["strict"])
