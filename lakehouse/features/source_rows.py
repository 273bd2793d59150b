"""The rows of a feature view's source: of a table, a query or a function, read at pinned versions.

Start at `source_rows`. Whatever the source is, the tables that it reads are pinned and known, so that what is computed
from it can be computed again.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame, SparkSession

from lakehouse.errors import DefinitionError, LakehouseError
from lakehouse.features.definitions import FeatureView, Sql
from lakehouse.features.definitions.code import Function, tables_of
from lakehouse.features.definitions.queries import ENDS_A_TABLE, TableMention, tables_in, with_tables
from lakehouse.features.pins import Pins
from lakehouse.refs import TableVersion
from lakehouse.tables.border import first_line
from lakehouse.tables.reading import inputs_of


@dataclass(frozen=True)
class SourceRows:
    """What a source holds.

    Attributes:
        rows: The rows. Lazy.
        inputs: The table versions that are read, each once, in the order of reading.
    """

    rows: DataFrame
    inputs: tuple[TableVersion, ...]

    @property
    def title(self) -> str:
        """What the rows are called in errors: the table versions."""
        return " and ".join(map(str, self.inputs))


class SourceTables:
    """What a source function is given: the tables of the lake at the versions that count.

    Attributes:
        spark: The session.
        inputs: The table versions that were read so far.
    """

    def __init__(self, pins: Pins, view: FeatureView) -> None:
        self._pins = pins
        self._view = view
        self.spark: SparkSession = pins.lake.spark
        self.inputs: dict[TableVersion, None] = {}

    def read(self, ref: str) -> DataFrame:
        """Return the rows of a table; a ref with ``@`` keeps its version, tag or moment.

        Raises:
            RefError: It names nothing that is there.
        """
        pinned, rows = self._pins.read(ref, self._view)
        self.inputs[pinned] = None
        return rows

    def table(self, name: str) -> "SourceTable":
        """Return a table by its name."""
        return SourceTable(self, name)


@dataclass(frozen=True)
class SourceTable:
    """One table as a source function sees it: `read` gives its rows at the version that counts."""

    tables: SourceTables
    name: str

    def read(self) -> DataFrame:
        """Return the rows.

        Raises:
            RefError: There is no such table.
        """
        return self.tables.read(self.name)


def source_rows(view: FeatureView, pins: Pins) -> SourceRows:
    """Return the rows of the source of *view*, before its ``where`` and ``derived``.

    Raises:
        TableNotFoundError: A table isn't there.
        DefinitionError: A query can't be understood or reads a table without a schema; a function fails, gives no
            DataFrame, or reads tables on its own.
    """
    if isinstance(view.source, str):
        pinned, rows = pins.read(view.source, view)
        return SourceRows(rows, (pinned,))
    tables = SourceTables(pins, view)
    if isinstance(view.source, Sql):
        rows = _of_query(view, view.source.text, tables)
    else:
        rows = _of_function(view, view.source, tables)
    return SourceRows(rows, tuple(tables.inputs))


def _of_query(view: FeatureView, query: str, tables: SourceTables) -> DataFrame:
    mentions = tables_in(query)
    if not mentions:
        raise DefinitionError(_subject(view), "its query reads no table", "Name one as schema.table after FROM")
    loose = next((mention.name for mention in mentions if mention.name.partition("@")[0].count(".") != 1), None)
    if loose is not None:
        problem = f"its query reads {loose!r}, which is not a table of the lake by schema and name"
        raise DefinitionError(_subject(view), problem, "Write schema.table, so that its version can be kept")
    names = {name: f"table{place}" for place, name in enumerate(dict.fromkeys(m.name for m in mentions))}
    given: dict[str, Any] = {names[name]: tables.read(name) for name in names}

    def spelled(mention: TableMention) -> str:
        # Without an alias of its own, columns may be qualified by the table's bare name.
        return f"{{{names[mention.name]}}}{_alias(query, mention)}"

    with understood(view, "its query"):
        rows = tables.spark.sql(with_tables(query, mentions, spelled), **given)
        _ = rows.schema
    return rows


def _alias(query: str, mention: TableMention) -> str:
    """Return the table's own name as an alias, empty where the query gives it another one."""
    rest = query[mention.end :].split(maxsplit=1)
    follows = rest[0].lower() if rest else ""
    word = "".join(character for character in follows if character.isalnum() or character in "_`")
    if (follows[:1].isidentifier() or follows[:1] == "`") and word not in ENDS_A_TABLE:
        return ""
    bare = mention.name.partition("@")[0].partition(".")[2].replace("`", "``")
    return f" AS `{bare}`"


def _of_function(view: FeatureView, function: Function, tables: SourceTables) -> DataFrame:
    named = tables_of(function)
    name = f"its source function {function.__qualname__}"
    wanted = len(inspect.signature(function).parameters)
    if wanted != (len(named) or 1):
        given = f"the rows of {', '.join(named)}" if named else "one thing to read tables from"
        hint = 'Write @reads("schema.table", …) above it, one parameter a table'
        raise DefinitionError(_subject(view), f"{name} takes {wanted} parameters and is given {given}", hint)
    given_rows = [tables.read(ref) for ref in named]
    rows = called(view, name, function, *(given_rows or (tables,)))
    if not isinstance(rows, DataFrame):
        raise DefinitionError(_subject(view), f"{name} gives {type(rows).__name__}, not a DataFrame", "Return one")
    with understood(view, name):
        found = inputs_of(rows, _subject(view))
    strange = sorted(set(found) - {str(pinned) for pinned in tables.inputs})
    if strange or not tables.inputs:
        problem = f"{name} reads {', '.join(strange)} on its own" if strange else f"{name} reads no table"
        hint = "Read through what it is given, so that the version is known and kept"
        raise DefinitionError(_subject(view), problem, hint)
    return rows


def called(view: FeatureView, name: str, function: Function, *arguments: object) -> object:
    """Return what a function of a definition gives.

    Raises:
        DefinitionError: It fails; names the view, the function and what it raised.
    """
    try:
        return function(*arguments)
    except LakehouseError:
        raise
    except Exception as error:
        problem = f"{name} raised {type(error).__name__}: {first_line(error)}"
        raise DefinitionError(_subject(view), problem, "Try it on the rows by hand") from error


@contextmanager
def understood(view: FeatureView, what: str) -> Iterator[None]:
    """Let SQL that Spark can't understand come out as an error about the view.

    Raises:
        DefinitionError: As said.
    """
    try:
        yield
    except (AnalysisException, ParseException) as error:
        raise DefinitionError(_subject(view), f"{what} can't be understood: {first_line(error)}", "") from error


def _subject(view: FeatureView) -> str:
    return f"feature view {view.name!r}"
