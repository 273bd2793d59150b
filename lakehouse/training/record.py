"""What is kept of a training set so that it can be made again: plain values only. No Spark session, no storage."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from lakehouse.features.definitions import FeatureService
from lakehouse.refs import TableVersion, format_moment, parse_moment
from lakehouse.tables.digest import RowsDigest


@dataclass(frozen=True)
class TrainingSetRecord:
    """Everything that is needed to make the same rows again.

    Attributes:
        name: Name of the training set; each time it is made anew there is another record.
        service: The feature service, its views included, as plain values.
        timestamp: Column of the labels with the moment asked for.
        label: Column of the labels with what is to be predicted.
        labels: Table version of the label rows.
        sources: Table versions of the features' sources.
        rows: Digest and count of the rows.
        created_at: When it was made, UTC.
        versions: Version of the service and of each view in the lakehouse's registry, from 1, as ``feature view
            carrier_delays``; those that were not registered as they are here are left out.
        label_inputs: Refs that label rows of a DataFrame were read from; empty for a table ref.
        columns: Column to digest of its values: tells which column differs when a rebuild does.
        git_commit: Commit of the code; empty outside a repository.
        dirty: Whether files differed from that commit; None outside a repository.
    """

    name: str
    service: Mapping[str, Any]
    timestamp: str
    label: str
    labels: TableVersion
    sources: tuple[TableVersion, ...]
    rows: RowsDigest
    created_at: datetime
    versions: Mapping[str, int] = field(default_factory=dict)
    label_inputs: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    git_commit: str = ""
    dirty: bool | None = None

    @cached_property
    def definition(self) -> FeatureService:
        """The feature service as it was."""
        return FeatureService.from_dict(self.service)

    @property
    def inputs(self) -> tuple[TableVersion, ...]:
        """The table versions that it came from, the labels' first, each once."""
        return tuple(dict.fromkeys((self.labels, *self.sources)))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the definition, the inputs and the rows."""
        meaning = {
            "service": self.definition.digest,
            "keys": dict(self.definition.key_columns),
            "timestamp": self.timestamp,
            "label": self.label,
            "inputs": [_plain_version(version) for version in (self.labels, *self.sources)],
            "rows": [self.rows.count, self.rows.digest],
        }
        return hashlib.sha256(json.dumps(meaning, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def tag(self) -> str:
        """Name of the tag that keeps the inputs readable."""
        return f"training-{self.name}-{self.digest[:12]}"

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return json.dumps(
            {
                "name": self.name,
                "service": self.service,
                "timestamp": self.timestamp,
                "label": self.label,
                "labels": _plain_version(self.labels),
                "sources": [_plain_version(version) for version in self.sources],
                "rows": [self.rows.count, self.rows.digest],
                "created_at": format_moment(self.created_at),
                "versions": dict(self.versions),
                "label_inputs": list(self.label_inputs),
                "columns": dict(self.columns),
                "git_commit": self.git_commit,
                "dirty": self.dirty,
            },
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str) -> "TrainingSetRecord":
        """Return the record that `to_json` wrote."""
        plain = json.loads(text)
        plain["labels"] = TableVersion(*plain["labels"])
        plain["sources"] = tuple(TableVersion(*version) for version in plain["sources"])
        plain["rows"] = RowsDigest(*plain["rows"])
        plain["created_at"] = parse_moment(plain["created_at"])
        plain["label_inputs"] = tuple(plain.get("label_inputs", ()))
        return cls(**plain)


def _plain_version(version: TableVersion) -> list[Any]:
    return [version.name, version.version, version.table_id, version.schema_digest]
