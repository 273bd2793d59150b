"""Models as a server applies them: loaded with every check, one after another as an alias moves. Needs no Spark.

Start at `ModelSource`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.errors import MissingColumnsError, SchemaError, TrackingError
from lakehouse.tracking.backend import Backend
from lakehouse.tracking.connection import open_backend
from lakehouse.tracking.models import INPUT_TYPES_TAG, KIND_TAG, SPARK, ResolvedModel, load_checked, resolve_model

if TYPE_CHECKING:
    import pandas as pd

_SERVICE_TAG = "lakehouse.service"
_ANY_EXPERIMENT = "Default"
"""MLflow's own experiment, which is always there: models are found by name, whatever experiment they come from."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A loaded model and what it must be given.

    Attributes:
        uri: As asked, such as ``models:/flight_delay@champion``.
        name: The registered model; empty when it was named by its id.
        version: The registered version; None when it was named by its id.
        model_id: The backend's id.
        service: The feature service of its training set; empty where none is recorded.
        columns: Its input columns in order, each with its pandas type.
        estimator: The model.
    """

    uri: str
    name: str
    version: int | None
    model_id: str
    service: str
    columns: Mapping[str, str]
    estimator: Any

    @property
    def ref(self) -> str:
        """``models:/name/version``, or ``models:/`` and the model's id."""
        return f"models:/{self.model_id}" if self.version is None else f"models:/{self.name}/{self.version}"

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return one prediction a row, as plain values.

        Args:
            rows: One dict a row, with at least the model's input columns.

        Raises:
            MissingColumnsError: A row lacks an input column.
            SchemaError: A value doesn't fit the signature.
        """
        return list(self._applied("predict", rows)) if rows else []

    def probabilities(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, float]] | None:
        """Return class to probability of each row; None for a model that has none.

        Raises:
            MissingColumnsError, SchemaError: As in `predict`.
        """
        if not hasattr(self.estimator, "predict_proba"):
            return None
        if not rows:
            return []
        classes = [str(label) for label in self.estimator.classes_.tolist()]
        return [dict(zip(classes, shares, strict=True)) for shares in self._applied("predict_proba", rows)]

    def frame(self, rows: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
        """Return rows as the pandas frame that the model takes: its columns, in order, of its types.

        Raises:
            MissingColumnsError: A row lacks an input column.
            SchemaError: A value doesn't fit the signature: names row, column, type and value.
        """
        import pandas as pd

        for number, row in enumerate(rows):
            missing = [name for name in self.columns if name not in row]
            if missing:
                raise MissingColumnsError(f"row {number} for {self.ref}", missing, list(row))
        columns = {name: self._column(name, kind, [row[name] for row in rows]) for name, kind in self.columns.items()}
        return pd.DataFrame(columns, columns=list(self.columns))

    def _applied(self, method: str, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        frame = self.frame(rows)
        try:
            return list(getattr(self.estimator, method)(frame).tolist())
        except (ValueError, TypeError) as error:
            # Such as a null, for a model that takes none.
            raise SchemaError("the request", f"{self.ref} refuses it: {str(error).splitlines()[0]}") from error

    def _column(self, name: str, kind: str, values: list[Any]) -> "pd.Series[Any]":
        import pandas as pd

        for number, value in enumerate(values):
            if not _fits(value, kind):
                problem = f"row {number}: input {name!r} must be {kind} for {self.ref}, not {value!r}"
                raise SchemaError("the request", problem)
        if kind.startswith("float"):
            return pd.Series([float("nan") if value is None else float(value) for value in values], dtype=kind)
        return pd.Series(values, dtype=kind)


class ModelSource:
    """Where a model comes from: a URI whose meaning may change, as an alias moves.

    Args:
        uri: ``models:/name/3``, ``models:/name@champion`` or ``models:/m-…``.
        tracking_uri: Where models are kept, such as ``sqlite:///mlflow.db``.

    Raises:
        TrackingError: The store can't be reached.
    """

    def __init__(self, uri: str, tracking_uri: str) -> None:
        self.uri = uri
        self._backend: Backend = open_backend(tracking_uri, experiment=_ANY_EXPERIMENT, artifacts=None)

    def resolve(self) -> ResolvedModel:
        """Return what the URI means now, without loading it.

        Raises:
            TrackingError: There is no such model, version or alias.
        """
        return resolve_model(self._backend, self.uri)

    def load(self, resolved: ResolvedModel | None = None) -> ServedModel:
        """Return the model, its files checked against its manifest.

        Args:
            resolved: What `resolve` returned; default what the URI means now.

        Raises:
            TrackingError: There is no such model, its files were changed, its input columns aren't recorded, or it is
                a Spark ML model.
        """
        found = self.resolve() if resolved is None else resolved
        if found.tags.get(KIND_TAG) == SPARK:
            problem = "it is a Spark ML model, which needs a Spark session to answer"
            raise TrackingError(f"model {self.uri}", problem, "Let tracker.score or jobs/score.py answer in batches")
        types = found.tags.get(INPUT_TYPES_TAG) or self._backend.models.get(found.model_id).tags.get(INPUT_TYPES_TAG)
        if types is None:
            hint = "Log it with run.log_model(model, signature_from=…)"
            raise TrackingError(f"model {self.uri}", "its input columns were not recorded", hint)
        return ServedModel(
            uri=self.uri,
            name=found.name,
            version=found.version,
            model_id=found.model_id,
            service=self._backend.runs.get(found.run_id).tags.get(_SERVICE_TAG, "") if found.run_id else "",
            columns=json.loads(types),
            estimator=load_checked(self._backend, found),
        )


def _fits(value: Any, kind: str) -> bool:
    """Return whether a value can stand in a pandas column of type *kind* without changing what it means."""
    if value is None:
        return not kind.startswith(("int", "uint", "bool"))
    if kind.startswith("bool"):
        return isinstance(value, bool)
    if kind.startswith(("int", "uint", "Int")):
        return isinstance(value, int) and not isinstance(value, bool) and _in_range(value, kind)
    if kind.startswith(("float", "Float")):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return True


def _in_range(value: int, kind: str) -> bool:
    bits = int("".join(character for character in kind if character.isdigit()) or 64)
    if kind.startswith("u"):
        return 0 <= value < 1 << bits
    return -(1 << (bits - 1)) <= value < 1 << (bits - 1)
