"""Where training sets are recorded: the lake's registry, a tag for the inputs, a table for labels of a DataFrame."""

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import datetime, timezone

from pyspark.sql import DataFrame

from lakehouse.errors import TagExistsError, TrainingSetError
from lakehouse.refs import TableVersion, nearest_names
from lakehouse.tables.digest import rows_digest
from lakehouse.training.record import TrainingSetRecord
from lakehouse.training.splits import Splits
from lakehouse.versioning import Lakehouse, Registry

_PLAIN_NAME = re.compile(r"[a-z0-9_]+")
_NOT_PLAIN = re.compile(r"[^a-z0-9_]")
_RECORDS = "name string, digest string, created_at timestamp, tag string, record string"
_SPLITS = "training_set string, digest string, rule string, parts string, created_at timestamp, spec string"


def keep_labels(lake: Lakehouse, labels: DataFrame, name: str) -> TableVersion:
    """Return the table version that holds the label rows; the same rows are kept once.

    They lie in a table of schema ``_lakehouse``, one version for each different set of rows.
    """
    table = f"_lakehouse.{_labels_table(name)}"
    digest = rows_digest(labels)
    if lake.table(table).exists:
        newest = lake.resolve(table)
        kept = lake.read(str(newest))
        if _columns(kept) == _columns(labels) and rows_digest(kept) == digest:
            return newest
    commit = lake.table(table).overwrite(labels, message=f"Labels of training set {name}", schema_mode="overwrite")
    return lake.resolve(commit.ref)


def _columns(rows: DataFrame) -> list[tuple[str, str]]:
    return [(column.name, column.dataType.simpleString()) for column in rows.schema]


def _labels_table(name: str) -> str:
    """Return a name that every catalog takes, whatever the training set is called."""
    if _PLAIN_NAME.fullmatch(name):
        return f"labels_{name}"
    return f"labels_{_NOT_PLAIN.sub('_', name)}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def keep_record(lake: Lakehouse, record: TrainingSetRecord) -> None:
    """Tag the inputs and write the record; a training set that is there already is left as it is.

    Raises:
        TrainingSetError: The tag's name is taken by something else.
    """
    refs = [str(version) for version in record.inputs]
    try:
        lake.tag(record.tag, tables=refs, message=f"Inputs of training set {record.name}, {record.rows.count} rows")
    except TagExistsError as error:
        if sorted(error.holds) != sorted(refs):
            raise TrainingSetError(
                f"training set {record.name!r}",
                f"tag {record.tag!r} is there and holds {', '.join(error.holds)}",
                f"Delete it: lake.untag({record.tag!r})",
            ) from error
    _records(lake).add(
        {
            "name": record.name,
            "digest": record.digest,
            "created_at": record.created_at,
            "tag": record.tag,
            "record": record.to_json(),
        },
        message=f"Training set {record.name}",
    )


def keep_splits(lake: Lakehouse, record: TrainingSetRecord, splits: Splits) -> None:
    """Record how a training set was cut, once."""
    parts = [{"name": part.name, "rule": part.rule, "digest": part.digest, "rows": part.rows} for part in splits]
    lake.registry("training_splits", schema=_SPLITS, keys=["training_set", "digest", "rule"]).add(
        {
            "training_set": record.name,
            "digest": record.digest,
            "rule": splits.test.rule,
            "parts": json.dumps(parts),
            "created_at": datetime.now(timezone.utc),
            "spec": json.dumps(dict(splits.test.spec)),
        },
        message=f"Splits of training set {record.name}",
    )


def find_record(lake: Lakehouse, name: str, *, digest: str | None = None) -> TrainingSetRecord:
    """Return the newest record of that name, or the one whose digest begins with *digest*.

    Raises:
        TrainingSetError: There is none, or more than one.
    """
    rows = _records(lake).rows()
    mine = sorted((row for row in rows if row.name == name), key=lambda row: row.created_at)
    if not mine:
        nearest = nearest_names(name, {row.name for row in rows})
        hint = f"Did you mean {' or '.join(nearest)}?" if nearest else "create_training_set makes one"
        raise TrainingSetError(f"training set {name!r}", "there is no record of it", hint)
    if digest is None:
        return TrainingSetRecord.from_json(mine[-1].record)
    found = [row for row in mine if row.digest.startswith(digest)]
    if len(found) != 1:
        raise TrainingSetError(
            f"training set {name!r}",
            f"{len(found)} of its records begin with {digest!r}",
            _known([r.digest for r in mine]),
        )
    return TrainingSetRecord.from_json(found[0].record)


def training_set_records(lake: Lakehouse) -> list[TrainingSetRecord]:
    """Return the records of all training sets, oldest first."""
    rows = sorted(_records(lake).rows(), key=lambda row: row.created_at)
    return [TrainingSetRecord.from_json(row.record) for row in rows]


def _known(digests: Sequence[str]) -> str:
    return f"It has {', '.join(digest[:12] for digest in digests)}"


def _records(lake: Lakehouse) -> Registry:
    return lake.registry("training_sets", schema=_RECORDS, keys=["name", "digest"])
