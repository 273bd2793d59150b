"""Whom ``forget`` is about: key values, checked against the tables that they are looked for in. Erases nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from lakehouse.errors import SchemaError
from lakehouse.refs import TableName
from lakehouse.schema import check_columns
from lakehouse.tables.context import LakeContext
from lakehouse.tables.metadata import schema_at

_BAD_VALUE = (PySparkException, TypeError, ValueError, OverflowError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Persons:
    """Key values, one mapping a person; a row is meant where all columns of one person are equal.

    Attributes:
        values: The mappings, all with the same columns, none null.
    """

    values: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(cls, keys: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> "Persons":
        """Return the persons that keys name.

        Raises:
            SchemaError: Nobody is named, columns differ, or a value is null.
        """
        values = (keys,) if isinstance(keys, Mapping) else tuple(keys)
        if not values or not values[0]:
            raise SchemaError("forget", "the keys name nobody; give {'customer_id': 42}, or a list of such")
        for person in values:
            if set(person) != set(values[0]):
                raise SchemaError("forget", f"all keys need the columns {', '.join(sorted(values[0]))}")
            for column, value in person.items():
                if value is None:
                    raise SchemaError("forget", f"{column} is null, which names nobody")
        return cls(values)

    @property
    def columns(self) -> tuple[str, ...]:
        """The key columns, sorted."""
        return tuple(sorted(self.values[0]))

    def frame(self, lake: LakeContext, name: TableName) -> DataFrame:
        """Return the persons with the types that a table has: the key columns, one row each, no nulls.

        Raises:
            TableNotFoundError: There is no such table.
            MissingColumnsError: It has not all the columns.
            SchemaError: A value isn't one of the column's type: it could match nothing, and nobody would know.
        """
        schema = schema_at(lake, name)
        check_columns(str(name), self.columns, schema.names)
        kinds = T.StructType([T.StructField(column, schema[column].dataType) for column in self.columns])
        rows = list(dict.fromkeys(tuple(person[column] for column in self.columns) for person in self.values))
        try:
            frame = lake.spark.createDataFrame(rows, kinds)
            # A client of Spark Connect converts at the first use.
            frame.collect()
        except _BAD_VALUE as error:
            told = ", ".join(f"{kind.name} {kind.dataType.simpleString()}" for kind in kinds)
            # No value is told: messages end up in logs.
            raise SchemaError(str(name), f"a key given is not of the table's types ({told})") from error
        return frame
