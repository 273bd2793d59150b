"""Every exception that a caller of lakehouse may catch. Imports nothing of the project.

    LakehouseError
    ├── ConfigError(ValueError)            a setting is unknown, missing or of the wrong type
    ├── InvalidNameError(ValueError)       a name that can't be a schema, table, tag or branch
    ├── RefError
    │   ├── InvalidRefError(ValueError)    a ref that can't be read; a moment without a zone
    │   ├── TableNotFoundError(LookupError)
    │   ├── VersionNotFoundError(LookupError)
    │   ├── TagNotFoundError(LookupError)
    │   └── BranchNotFoundError(LookupError)
    ├── TableExistsError(ValueError)
    ├── TagExistsError(ValueError)
    ├── BranchExistsError(ValueError)
    ├── SchemaError(ValueError)
    │   ├── MissingColumnsError(LookupError)
    │   └── SchemaMismatchError            which columns, both types
    ├── DuplicateKeysError(ValueError)     duplicate or null keys where a row must be one key
    ├── ConstraintError(ValueError)        a row breaks a rule of its table
    ├── MergeConflictError(ValueError)     both sides of a merge changed the same
    ├── GateError(ValueError)              a gate refuses a table that was to be published
    │   └── PromotionRefusedError          gates refuse a model version
    ├── ConcurrentWriteError(RuntimeError) another writer was first and a retry would not be safe
    ├── StorageError(OSError)              storage refused: not writable, full, files gone
    ├── UnsupportedReadError(NotImplementedError) the reader without Spark can't read this lake or table
    ├── DefinitionError(ValueError)        an entity, view, aggregation, service, check or gate that has no meaning
    ├── FeatureOverflowError(OverflowError) a feature whose value is outside its type
    ├── OnDemandError(RuntimeError)        an on-demand feature whose function fails or gives another type
    ├── FeatureNotFoundError(LookupError)  a view or service that nobody registered
    ├── OnlineStoreError(RuntimeError)     the online store can't give a right answer
    ├── TrainingSetError(RuntimeError)     a training set that can't be made or rebuilt
    └── TrackingError(RuntimeError)        a run, model or alias that isn't as asked

Facts are constructor arguments and stay attributes; the sentence is built from them. So errors pickle, and callers
look at facts, not at words. Every message says what was asked, what was found and what to do.
"""

from collections.abc import Mapping, Sequence
from typing import Any


class LakehouseError(Exception):
    """Raised when lakehouse can't do what was asked; the base of every error here."""


class ConfigError(LakehouseError, ValueError):
    """Raised when a setting is unknown, missing or of the wrong type.

    Attributes:
        file: The file that holds the setting, or what stands in for one.
        key: Dotted path of the setting, empty when the whole file is meant.
        problem: What is wrong with it.
        hint: What to do, may be empty.
    """

    def __init__(self, file: str, key: str, problem: str, hint: str = "") -> None:
        super().__init__(file, key, problem, hint)
        self.file, self.key, self.problem, self.hint = file, key, problem, hint

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}" if self.key else self.file
        return _sentence(f"{where}: {self.problem}", self.hint)


class InvalidNameError(LakehouseError, ValueError):
    """Raised when a name can't be a schema, table, tag or branch.

    Attributes:
        name: The name that was given.
        what: What it was meant to name.
        problem: Why it can't be used.
    """

    def __init__(self, name: str, what: str, problem: str) -> None:
        super().__init__(name, what, problem)
        self.name, self.what, self.problem = name, what, problem

    def __str__(self) -> str:
        return f"{self.name!r} can't be a {self.what} name: {self.problem}."


class RefError(LakehouseError):
    """Raised when something that should name a table or a version doesn't."""


class InvalidRefError(RefError, ValueError):
    """Raised when a ref or a moment can't be read.

    Attributes:
        ref: What was given.
        problem: Why it can't be read.
        hint: How to write it.
    """

    def __init__(self, ref: str, problem: str, hint: str = "") -> None:
        super().__init__(ref, problem, hint)
        self.ref, self.problem, self.hint = ref, problem, hint

    def __str__(self) -> str:
        return _sentence(f"{self.ref!r}: {self.problem}", self.hint)


class TableNotFoundError(RefError, LookupError):
    """Raised when a table is asked for that isn't there.

    Attributes:
        table: ``schema.table`` as asked.
        nearest: Names of tables that are there and look alike.
    """

    def __init__(self, table: str, nearest: Sequence[str] = ()) -> None:
        super().__init__(table, tuple(nearest))
        self.table, self.nearest = table, tuple(nearest)

    def __str__(self) -> str:
        hint = did_you_mean(self.nearest) or "Create it with lake.table(name).create(...) or write to it first"
        return _sentence(f"there is no table {self.table}", hint)


class VersionNotFoundError(RefError, LookupError):
    """Raised when a table has no such version.

    Attributes:
        table: ``schema.table``.
        asked: The version, or the moment, that was asked for.
        oldest: Oldest version that can be read.
        newest: Newest version.
    """

    def __init__(self, table: str, asked: object, oldest: int | None = None, newest: int | None = None) -> None:
        super().__init__(table, asked, oldest, newest)
        self.table, self.asked, self.oldest, self.newest = table, asked, oldest, newest

    def __str__(self) -> str:
        found = "" if self.newest is None else f"; it has versions {self.oldest} to {self.newest}"
        return _sentence(f"{self.table} has no version {self.asked}{found}", "See its history() for what can be read")


class TagNotFoundError(RefError, LookupError):
    """Raised when a tag is asked for that isn't there, or that doesn't hold the table.

    Attributes:
        tag: The name that was asked for.
        table: The table that was to be read through it, if any.
        nearest: Names that are there and look alike, or the tables that the tag holds.
    """

    def __init__(self, tag: str, table: str | None = None, nearest: Sequence[str] = ()) -> None:
        super().__init__(tag, table, tuple(nearest))
        self.tag, self.table, self.nearest = tag, table, tuple(nearest)

    def __str__(self) -> str:
        if self.table is not None:
            held = ", ".join(self.nearest) or "no table"
            return _sentence(f"tag {self.tag!r} does not hold {self.table}; it holds {held}", "")
        return _sentence(f"there is no tag {self.tag!r}", did_you_mean(self.nearest) or "lake.tags() lists them")


class BranchNotFoundError(RefError, LookupError):
    """Raised when a branch is asked for that isn't there or no longer open, or that doesn't hold the table.

    Attributes:
        branch: The name that was asked for.
        table: The table that was asked of it, if any.
        nearest: Names that are there and look alike, or the tables that the branch holds.
    """

    def __init__(self, branch: str, table: str | None = None, nearest: Sequence[str] = ()) -> None:
        super().__init__(branch, table, tuple(nearest))
        self.branch, self.table, self.nearest = branch, table, tuple(nearest)

    def __str__(self) -> str:
        if self.table is not None:
            held = ", ".join(self.nearest) or "no table"
            return _sentence(f"branch {self.branch!r} does not hold {self.table}; it holds {held}", "")
        hint = did_you_mean(self.nearest) or "lake.branches() lists those that are"
        return _sentence(f"there is no open branch {self.branch!r}", hint)


class TableExistsError(LakehouseError, ValueError):
    """Raised when a table is created that is already there.

    Attributes:
        table: ``schema.table``.
    """

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table

    def __str__(self) -> str:
        return _sentence(f"table {self.table} is already there", "Write to it with append, merge or overwrite")


class TagExistsError(LakehouseError, ValueError):
    """Raised when a tag is made under a name that is taken; a tag never moves.

    Attributes:
        tag: The name.
        holds: What the tag of that name holds, refs as strings.
    """

    def __init__(self, tag: str, holds: Sequence[str] = ()) -> None:
        super().__init__(tag, tuple(holds))
        self.tag, self.holds = tag, tuple(holds)

    def __str__(self) -> str:
        held = f" and holds {', '.join(self.holds)}" if self.holds else ""
        return _sentence(f"tag {self.tag!r} is already there{held}", "Tags never move: choose another name")


class BranchExistsError(LakehouseError, ValueError):
    """Raised when a branch is made under a name that an open branch or a tag has.

    Attributes:
        branch: The name.
        taken_by: ``branch`` or ``tag``.
    """

    def __init__(self, branch: str, taken_by: str = "branch") -> None:
        super().__init__(branch, taken_by)
        self.branch, self.taken_by = branch, taken_by

    def __str__(self) -> str:
        way = "lake.get_branch(name) opens it" if self.taken_by == "branch" else "Choose another name"
        return _sentence(f"there is a {self.taken_by} {self.branch!r} already", way)


class SchemaError(LakehouseError, ValueError):
    """Raised when columns or their types don't fit; the base of the two below.

    Attributes:
        table: What the columns belong to.
        problem: What doesn't fit.
    """

    def __init__(self, table: str, problem: str) -> None:
        super().__init__(table, problem)
        self.table, self.problem = table, problem

    def __str__(self) -> str:
        return _sentence(f"{self.table}: {self.problem}", "")


class MissingColumnsError(SchemaError, LookupError):
    """Raised when columns are asked for that aren't there.

    Attributes:
        table: What was searched: a table, or a DataFrame by its role.
        missing: The columns asked for and not found.
        available: The columns that are there.
    """

    def __init__(self, table: str, missing: Sequence[str], available: Sequence[str]) -> None:
        LakehouseError.__init__(self, table, tuple(missing), tuple(available))
        self.table, self.missing, self.available = table, tuple(missing), tuple(available)
        self.problem = f"no column {', '.join(map(repr, missing))}"

    def __str__(self) -> str:
        return _sentence(f"{self.table} has {self.problem}", f"It has {', '.join(self.available) or 'no columns'}")


class SchemaMismatchError(SchemaError):
    """Raised when a DataFrame does not fit the table that it is written to.

    Attributes:
        table: ``schema.table``.
        differences: Column to (type in the table, type given); None where a side has no such column.
        hint: The way out, such as another ``schema_mode``.
    """

    def __init__(self, table: str, differences: Mapping[str, tuple[str | None, str | None]], hint: str = "") -> None:
        LakehouseError.__init__(self, table, dict(differences), hint)
        self.table, self.differences, self.hint = table, dict(differences), hint
        self.problem = "; ".join(
            f"column {column!r} is {expected or 'absent'} in the table and {actual or 'absent'} in what was given"
            for column, (expected, actual) in self.differences.items()
        )

    def __str__(self) -> str:
        return _sentence(f"{self.table}: {self.problem}", self.hint)


class DuplicateKeysError(LakehouseError, ValueError):
    """Raised when rows share a key, or have a null one, where each row must have a key of its own.

    Attributes:
        table: The table that the rows were for.
        keys: The key columns.
        examples: Some of the offending keys, as text.
        hint: The way out.
    """

    def __init__(self, table: str, keys: Sequence[str], examples: Sequence[str], hint: str = "") -> None:
        super().__init__(table, tuple(keys), tuple(examples), hint)
        self.table, self.keys, self.examples, self.hint = table, tuple(keys), tuple(examples), hint

    def __str__(self) -> str:
        shown = "; ".join(self.examples)
        return _sentence(
            f"rows for {self.table} have duplicate or null keys ({', '.join(self.keys)}), such as {shown}", self.hint
        )


class ConstraintError(LakehouseError, ValueError):
    """Raised when a row breaks a CHECK or NOT NULL rule of its table; nothing was written.

    Attributes:
        table: ``schema.table``.
        problem: The rule, and the row where it is known.
    """

    def __init__(self, table: str, problem: str) -> None:
        super().__init__(table, problem)
        self.table, self.problem = table, problem

    def __str__(self) -> str:
        return _sentence(f"{self.table}: {self.problem}", "Nothing was written: repair the rows or change the rule")


class MergeConflictError(LakehouseError, ValueError):
    """Raised when main and what is to be merged into it changed the same; nothing was merged.

    Attributes:
        what: What was to be merged, such as ``branch fix``.
        rows: Table to how many of its rows conflict.
        by_table: Table to a DataFrame of its conflicts: key columns, then ``column``, ``base``, ``ours`` (main's) and
            ``theirs`` (the branch's) as text, one row a cell. Rows of a table without keys are told with all their
            columns and the numbers of their copies. Not kept by pickle.
    """

    def __init__(self, what: str, rows: Mapping[str, int], by_table: Mapping[str, Any] | None = None) -> None:
        super().__init__(what, dict(rows))
        self.what, self.rows = what, dict(rows)
        self.by_table = dict(by_table or {})

    @property
    def conflicts(self) -> Any:
        """The DataFrame of the first table that has conflicts, by name; the only one in most cases."""
        return self.by_table[min(self.by_table)] if self.by_table else None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.what, self.rows)

    def __str__(self) -> str:
        told = ", ".join(f"{count:,} of {table}" for table, count in sorted(self.rows.items()))
        hint = "The error's conflicts shows them; on_conflict='ours' keeps main's values, 'theirs' takes the branch's"
        return _sentence(f"{self.what} can't be merged: rows that main changed too, {told}", hint)


class GateError(LakehouseError, ValueError):
    """Raised when a gate refuses; nothing was published.

    Attributes:
        gate: The check's title or the function's name.
        table: ``schema.table`` that it looked at.
        reason: What was found.
        evidence: What each gate that ran found, this one included, as plain values.
    """

    def __init__(self, gate: str, table: str, reason: str, evidence: Sequence[Mapping[str, object]] = ()) -> None:
        super().__init__(gate, table, reason, tuple(evidence))
        self.gate, self.table, self.reason, self.evidence = gate, table, reason, tuple(evidence)

    def __str__(self) -> str:
        return _sentence(
            f"gate {self.gate} refuses {self.table}: {self.reason}",
            "Nothing was published: repair the rows or change the gate",
        )


class PromotionRefusedError(GateError):
    """Raised when gates refuse a model version; no alias was moved, and the ledger holds the refusal.

    Attributes:
        gate: The alias that was asked for.
        table: The model version, ``models:/name/version``.
        reason: What the gates that refuse found.
        reasons: The same, one text a gate.
        evidence: The decision, as plain values.
    """

    def __init__(
        self, model: str, alias: str, reasons: Sequence[str], evidence: Sequence[Mapping[str, object]] = ()
    ) -> None:
        super().__init__(alias, model, "; ".join(reasons), evidence)
        self.args = (model, alias, tuple(reasons), tuple(evidence))
        self.reasons = tuple(reasons)

    def __str__(self) -> str:
        hint = "No alias was moved. The ledger has the evidence: tracker.history(model)[-1].evidence"
        return _sentence(f"{self.table} can't be the {self.gate}: {self.reason}", hint)


class ConcurrentWriteError(LakehouseError, RuntimeError):
    """Raised when another writer committed first and repeating the write by ourselves would not be safe.

    Attributes:
        what: The table, tag or model that both wanted to change.
        operation: What was being done.
    """

    def __init__(self, what: str, operation: str) -> None:
        super().__init__(what, operation)
        self.what, self.operation = what, operation

    def __str__(self) -> str:
        return _sentence(
            f"another writer changed {self.what} while this {self.operation} was running; nothing was written",
            "Read it again and decide whether the change still makes sense",
        )


class StorageError(LakehouseError, OSError):
    """Raised when storage refuses: a root that can't be written, a full disk, data files that are gone.

    Attributes:
        where: The table or place.
        problem: What storage said.
        hint: The way out.
    """

    def __init__(self, where: str, problem: str, hint: str = "") -> None:
        super().__init__(where, problem, hint)
        self.where, self.problem, self.hint = where, problem, hint

    def __str__(self) -> str:
        return _sentence(f"{self.where}: {self.problem}", self.hint)


class UnsupportedReadError(LakehouseError, NotImplementedError):
    """Raised when the reader without Spark can't read a lake or a table.

    Attributes:
        what: The table or the place.
        problem: What it can't do.
    """

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(what, problem)
        self.what, self.problem = what, problem

    def __str__(self) -> str:
        return _sentence(f"{self.what}: {self.problem}", "Read it with Spark: Lakehouse(spark, root=…)")


class _Told(LakehouseError):
    """An error whose facts are a subject, what is wrong with it, and what to do.

    Attributes:
        subject: What the error is about.
        problem: What was found.
        hint: What to do, may be empty.
    """

    def __init__(self, subject: str, problem: str, hint: str = "") -> None:
        super().__init__(subject, problem, hint)
        self.subject, self.problem, self.hint = subject, problem, hint

    def __str__(self) -> str:
        return _sentence(f"{self.subject}: {self.problem}", self.hint)


class DefinitionError(_Told, ValueError):
    """Raised when an entity, feature view, aggregation, service, check or gate can't be meant as written."""


class FeatureOverflowError(_Told, OverflowError):
    """Raised when an exact sum is outside the type of its feature."""


class OnDemandError(_Told, RuntimeError):
    """Raised when the function of an on-demand feature fails, gives a value of another type, or lacks an input."""


class FeatureNotFoundError(_Told, LookupError):
    """Raised when a feature view or service is asked for that was never registered."""


class OnlineStoreError(_Told, RuntimeError):
    """Raised when the online store can't give a right answer."""


class MomentTooEarlyError(OnlineStoreError):
    """Raised when the online store is asked for a moment before the one that its records start from."""


class TrainingSetError(_Told, RuntimeError):
    """Raised when a training set can't be made, or can't be rebuilt from its record."""


class TrackingError(_Told, RuntimeError):
    """Raised when a run, a registered model or an alias isn't as asked."""


def did_you_mean(nearest: Sequence[str]) -> str:
    """Return "Did you mean …?" for the names that look alike, or an empty string."""
    return f"Did you mean {' or '.join(nearest)}?" if nearest else ""


def _sentence(fact: str, hint: str) -> str:
    """Join a fact and a hint into one line that ends in a full stop or question mark."""
    return " ".join(part if part[-1] in ".?!" else f"{part}." for part in (fact, hint) if part)
