"""Views: a lake and its tables as they were, or on a branch; read only. Made by :meth:`Lakehouse.at`."""

from collections.abc import Callable, Mapping
from typing import Protocol

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from lakehouse.errors import TagNotFoundError
from lakehouse.refs import MAIN, At, TableName, TableRef, TableVersion, parse_at


class ReadableLake(Protocol):
    """What a view needs of its lake."""

    def read(self, ref: str) -> DataFrame:
        """Return the rows that a ref names."""

    def resolve(self, ref: str) -> TableVersion:
        """Return the exact version that a ref names."""


class LakeView:
    """A lake as it was; read only. Made by :meth:`Lakehouse.at`."""

    def __init__(self, lake: ReadableLake, at: At | Mapping[str, At]) -> None:
        self._lake, self._at = lake, at

    def table(self, name: str) -> "TableView":
        """Return the table as it was.

        Raises:
            TagNotFoundError: It isn't among the tables that the view holds.
        """
        at = self._at
        if isinstance(at, Mapping):
            if name not in at:
                raise TagNotFoundError("given versions", name, sorted(at))
            at = at[name]
        return TableView(self._lake, TableRef(TableName.parse(name), parse_at(at)))


class MainView(LakeView):
    """The lake as it is: several tables at one state, as far as they are published together.

    What is published later is not seen of any table; of commits to one table, those before it is first looked at are.

    Args:
        lake: The lake.
        newest: From a table to the newest version that may be seen.
    """

    def __init__(self, lake: ReadableLake, newest: Callable[[TableName], int]) -> None:
        super().__init__(lake, MAIN)
        self._newest = newest
        self._versions: dict[TableName, int] = {}

    def table(self, name: str) -> "TableView":
        """Return the table as it is; the same version whenever it is asked for.

        Raises:
            TableNotFoundError: There is no such table.
        """
        parsed = TableName.parse(name)
        if parsed not in self._versions:
            self._versions[parsed] = self._newest(parsed)
        return TableView(self._lake, TableRef(parsed, self._versions[parsed]))


class TableView:
    """A table as it was; read only."""

    def __init__(self, lake: ReadableLake, ref: TableRef) -> None:
        self._lake, self._ref = lake, ref

    @property
    def name(self) -> str:
        """``schema.table``."""
        return str(self._ref.name)

    @property
    def version(self) -> int:
        """The version that is seen.

        Raises:
            RefError: There is none.
        """
        return self._lake.resolve(str(self._ref)).version

    @property
    def schema(self) -> T.StructType:
        """Columns and types of that version.

        Raises:
            RefError: There is none.
        """
        return self.read().schema

    def read(self) -> DataFrame:
        """Return the rows.

        Raises:
            RefError: There is no such version.
        """
        return self._lake.read(str(self._ref))

    def __repr__(self) -> str:
        return f"TableView({str(self._ref)!r})"
