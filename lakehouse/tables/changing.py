"""Update and delete: rows that meet a condition change or go. One commit each, also where no row does."""

from collections.abc import Mapping, Sequence

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import functions as F

from lakehouse.errors import SchemaError
from lakehouse.refs import TableName, TableRef
from lakehouse.schema import check_columns
from lakehouse.sql import quoted
from lakehouse.tables.border import border, first_line
from lakehouse.tables.commits import Commit
from lakehouse.tables.context import LakeContext
from lakehouse.tables.creation import check_condition
from lakehouse.tables.metadata import settle
from lakehouse.tables.provenance import check_message
from lakehouse.tables.reading import read_table
from lakehouse.tables.signing import signed
from lakehouse.tables.writing import committed

_ALIAS = "__lakehouse_target"


def delete_rows(lake: LakeContext, name: TableName, where: str, *, message: str, inputs: Sequence[str] = ()) -> Commit:
    """Delete; see :meth:`lakehouse.tables.Table.delete`."""
    check_message(message)
    settle(lake, name)
    check_condition(str(name), "where", read_table(lake, name), where)
    # The condition was read as one expression just now; the line break ends a comment in it. Without an alias of its
    # own, "WHERE (true)" would be read as one with column names.
    statement = f"DELETE FROM {lake.catalog.identifier(name)} AS {_ALIAS} WHERE ({where}\n)"
    return _run(lake, name, statement, operation="delete", message=message, inputs=inputs)


def update_rows(
    lake: LakeContext,
    name: TableName,
    values: Mapping[str, str],
    where: str | None,
    *,
    message: str,
    inputs: Sequence[str] = (),
) -> Commit:
    """Update; see :meth:`lakehouse.tables.Table.update`."""
    check_message(message)
    settle(lake, name)
    rows = read_table(lake, name)
    check_columns(str(name), values, rows.columns)
    if not values:
        raise SchemaError(str(name), "update names no column to set")
    for column, value in values.items():
        try:
            rows.select(F.expr(value)).schema  # noqa: B018
        except (AnalysisException, ParseException) as error:
            raise SchemaError(str(name), f"{column} = {value}: {first_line(error)}") from error
    settings = ", ".join(f"{quoted(column)} = ({value}\n)" for column, value in values.items())
    condition = ""
    if where is not None:
        check_condition(str(name), "where", rows, where)
        condition = f" WHERE ({where}\n)"
    statement = f"UPDATE {lake.catalog.identifier(name)} AS {_ALIAS} SET {settings}{condition}"
    return _run(lake, name, statement, operation="update", message=message, inputs=inputs)


def _run(
    lake: LakeContext, name: TableName, statement: str, *, operation: str, message: str, inputs: Sequence[str]
) -> Commit:
    note = lake.provenance.note(message, inputs=[str(TableRef.parse(ref)) for ref in inputs])
    with border(str(name), operation), signed(lake.spark, note):
        lake.spark.sql(statement).collect()
    return committed(lake, name, note)
