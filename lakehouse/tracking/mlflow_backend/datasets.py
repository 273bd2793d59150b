"""Inputs of runs as MLflow keeps them, built by hand and read back.

MLflow's own builders (`mlflow.data.from_spark`, `load_delta`) are not used: they lose version 0, take the newest
version where none was asked for, count rows on an RDD and fail on Spark Connect. Its `DeltaDatasetSource` tests the
version for truth when it stores it, so the version goes in as text, where ``"0"`` is as good as any.
"""

import json

from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.dataset_source import DatasetSource
from mlflow.data.delta_dataset_source import DeltaDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Dataset as DatasetEntity
from mlflow.entities import DatasetInput, InputTag
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import AnyType

from lakehouse.tracking.backend import Dataset

_CONTEXT = "mlflow.data.context"
_VERSION = "lakehouse.version"
_TABLE_ID = "lakehouse.table_id"
_TAG_LENGTH = 500


class _Described(MetaDataset):
    """What is known of a dataset without reading it; its profile is logged beside it."""

    @property
    def profile(self) -> None:
        """Nothing was measured."""


_TYPES = {
    "boolean": DataType.boolean,
    "tinyint": DataType.integer,
    "smallint": DataType.integer,
    "int": DataType.integer,
    "bigint": DataType.long,
    "float": DataType.float,
    "double": DataType.double,
    "string": DataType.string,
    "binary": DataType.binary,
    "date": DataType.datetime,
    "timestamp": DataType.datetime,
    "timestamp_ntz": DataType.datetime,
}


def to_mlflow(dataset: Dataset) -> DatasetInput:
    """Return the input as MLflow's entities, ready to be logged."""
    columns = [_column(name, kind) for name, kind in dataset.columns.items()]
    schema = Schema(columns) if columns else None
    meta = _Described(_source(dataset), name=dataset.name, digest=dataset.digest, schema=schema)
    profile = None if dataset.rows is None else json.dumps({"num_rows": dataset.rows})
    tags = {_CONTEXT: dataset.role, **dataset.tags}
    if dataset.version is not None:
        tags |= {"lakehouse.ref": dataset.ref, _VERSION: str(dataset.version), _TABLE_ID: dataset.table_id}
    entity = DatasetEntity(**meta.to_dict(), profile=profile)
    return DatasetInput(entity, [InputTag(name, value[:_TAG_LENGTH]) for name, value in tags.items()])


def from_mlflow(entity: DatasetInput) -> Dataset:
    """Return an input of a run; one that others logged comes back with what is known of it."""
    tags = {tag.key: tag.value for tag in entity.tags}
    source = json.loads(entity.dataset.source)
    version = tags.get(_VERSION, source.get("delta_table_version"))
    profile = json.loads(entity.dataset.profile or "null") or {}
    return Dataset(
        name=entity.dataset.name,
        digest=entity.dataset.digest,
        role=tags.pop(_CONTEXT, ""),
        location=source.get("path") or source.get("delta_table_name") or "",
        version=None if version is None else int(version),
        table_id=tags.get(_TABLE_ID, ""),
        rows=profile.get("num_rows"),
        tags=tags,
    )


def _source(dataset: Dataset) -> DatasetSource:
    if dataset.version is None:
        return CodeDatasetSource(dict(dataset.tags))
    is_path = "/" in dataset.location
    return DeltaDatasetSource(
        path=dataset.location if is_path else None,
        delta_table_name=None if is_path else dataset.location,
        delta_table_version=str(dataset.version),  # type: ignore[arg-type] # As text, or 0 is lost.
        # The id spares MLflow a look-up over the network for names outside Spark's own catalog.
        delta_table_id=None if is_path else dataset.table_id,
    )


def _column(name: str, kind: str) -> ColSpec | TensorSpec:
    known = _TYPES.get(kind)
    return ColSpec(AnyType() if known is None else known, name)  # type: ignore[no-untyped-call]
