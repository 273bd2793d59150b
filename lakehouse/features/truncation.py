"""Tables as they would be if nothing were in them that became known after a moment: `Truncation`."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakehouse.errors import DefinitionError
from lakehouse.features.columns import column_of
from lakehouse.features.definitions import FeatureView
from lakehouse.features.source_rows import understood
from lakehouse.features.sources import with_derived
from lakehouse.refs import format_moment

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Truncation:
    """Takes away the rows of tables that were not known at a moment.

    Attributes:
        unknown: Tables of which nothing says when their rows became known, as far as any were read.
    """

    def __init__(self, known_at: Mapping[str, str], tables: set[str]) -> None:
        strange = [name for name in known_at if name not in tables]
        if strange:
            hint = f"Its sources are {', '.join(sorted(tables))}"
            raise DefinitionError("verify", f"known_at names {strange[0]!r}, which no view reads", hint)
        self._known_at = known_at
        self.unknown: set[str] = set()

    def until(self, us: int) -> Callable[[FeatureView, str, DataFrame], DataFrame]:
        """Return what takes away the rows of a table that became known after a moment, in microseconds.

        Rows of which it isn't known when stay.
        """
        moment = F.timestamp_micros(F.lit(us))

        def cut(view: FeatureView, table: str, rows: DataFrame) -> DataFrame:
            columns = rows.columns
            shown, deciding = self._deciding(view, table, rows)
            for expression in deciding:
                known = F.expr(expression)
                shown = shown.where(known.isNull() | (known <= moment))
            return shown.select(*map(column_of, columns))

        return cut

    def _deciding(self, view: FeatureView, table: str, rows: DataFrame) -> tuple[DataFrame, list[str]]:
        """Return the rows, maybe with derived columns, and the expressions that say when one became known."""
        if table in self._known_at:
            with understood(view, f"known_at={self._known_at[table]!r}"):
                kind = rows.select(F.expr(self._known_at[table])).schema[0].dataType
            if not isinstance(kind, T.TimestampType):
                problem = f"known_at[{table!r}] is {kind.simpleString()}, no timestamp"
                raise DefinitionError("verify", problem, "Name a TIMESTAMP column")
            return rows, [self._known_at[table]]
        names = [name for name in (view.timestamp, view.available_at) if name is not None]
        if view.table is not None and any(name in dict(view.derived) for name in names):
            rows = with_derived(rows, view, source=table)
        there = [f"`{name.replace('`', '``')}`" for name in names if name in rows.columns]
        if not there:
            self.unknown.add(table)
        return rows, there


def moment_text(us: int) -> str:
    """Return a moment in microseconds since 1970 as ISO text in UTC."""
    return format_moment(_EPOCH + timedelta(microseconds=us))
