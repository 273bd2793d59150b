"""Features and predictions of one service, as a server gives them. Start at `FeatureServer`; it knows no HTTP."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from lakehouse.errors import LakehouseError, MomentTooEarlyError, TrackingError
from lakehouse.online import OnlineFeatures, OnlineReader, Status
from lakehouse.refs import format_moment
from lakehouse.serving.contract import Contract
from lakehouse.serving.metrics import Metrics
from lakehouse.serving.problems import Problem
from lakehouse.serving.request_log import RequestLog
from lakehouse.serving.settings import ServerSettings

if TYPE_CHECKING:
    from lakehouse.tracking import ModelSource, ServedModel

_log = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class FeatureServer:
    """One service's features, and one model's predictions from them.

    What is replaced while it serves, a model or a definition, is one assignment: a request that runs goes on with what
    it began with.

    Args:
        settings: What to serve.

    Raises:
        FeatureNotFoundError: The store has no such service.
        OnlineStoreError: There is no such store, or it can't be read.
        TrackingError: There is no such model, or it may not be loaded.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.reader = OnlineReader(settings.store)
        self.contract = Contract.of(self.reader.store, settings.service)
        self.model: ServedModel | None = None
        self._source = _source_of(settings)
        if self._source is not None:
            self._take(self._source)
        self._log = None if settings.log is None else RequestLog(settings.service, settings.log, self.metrics)

    @property
    def reads_in_memory(self) -> bool:
        """Whether a read of the store takes microseconds: no network is asked."""
        return self.settings.store.startswith(("lmdb:", "memory:"))

    def features(self, rows: Sequence[Mapping[str, Any]], at: str | None = None) -> dict[str, Any]:
        """Return the features of some keys, row by row, and their statuses and ages, a list a feature, as plain values.

        Args:
            rows: One dict a row: the service's keys.
            at: The moment, ISO text with a zone; default now.

        Raises:
            MissingColumnsError, SchemaError: A row isn't what the service takes.
            Problem: The moment lies before what the records know.
            OnlineStoreError: The store can't answer.
        """
        found, statuses, ages = self._read(rows, at)
        self._keep(found)
        return {
            "service": self.settings.service,
            "at": _moment(found),
            "rows": found.to_rows(),
            "statuses": statuses,
            "ages": ages,
        }

    def predict(
        self, rows: Sequence[Mapping[str, Any]], at: str | None = None, *, allow_stale: bool = False
    ) -> dict[str, Any]:
        """Return the model's predictions for some keys, whose features are fetched, as plain values.

        Args:
            rows: One dict a row: the service's keys, and the model's inputs that are no features.
            at: The moment, ISO text with a zone; default now.
            allow_stale: Whether to predict from features whose records can't tell any more; they are null then.

        Raises:
            MissingColumnsError, SchemaError: A row isn't what service and model take.
            Problem: No model is served, the moment lies before what the records know, or features are stale.
            OnlineStoreError: The store can't answer.
        """
        model = self.model
        if model is None:
            raise Problem(404, "no_model", "This server serves features only; start it with --model.")
        asked = self.contract.asked
        found, statuses, _ = self._read([{name: row[name] for name in asked if name in row} for row in rows], at)
        if not allow_stale:
            _refuse_stale(statuses, model.columns)
        inputs = [{**row, **values} for row, values in zip(rows, found.to_rows(), strict=True)]
        _refuse_unknown(rows, {*asked, *model.columns})
        predictions = model.predict(inputs)
        self._keep(found, model=model.ref, predictions=predictions)
        return {
            "model": {"uri": model.uri, "ref": model.ref, "version": model.version},
            "at": _moment(found),
            "predictions": predictions,
            "probabilities": model.probabilities(inputs),
            "statuses": statuses,
        }

    def refresh(self) -> None:
        """Look whether the definition or the model's alias has moved, and take what is new into use.

        What can't be read or loaded is counted and logged, and what is in use stays.
        """
        try:
            epoch, _ = self.reader.store.metadata()
            if epoch != self.contract.epoch:
                self.contract = Contract.of(self.reader.store, self.settings.service)
            if self._source is not None:
                self._take(self._source)
        except LakehouseError:
            self.metrics.reload_failures.inc()
            _log.exception("what is served stays as it is")

    def check_ready(self) -> None:
        """Raise unless requests can be answered.

        Raises:
            LakehouseError: The store can't be read, or lacks the service.
        """
        Contract.of(self.reader.store, self.settings.service)

    def close(self) -> None:
        """Write what waits for the log, and close the store."""
        if self._log is not None:
            self._log.close()
        self.reader.close()

    def _read(
        self, rows: Sequence[Mapping[str, Any]], at: str | None
    ) -> tuple[OnlineFeatures, dict[str, list[str]], dict[str, list[float | None]]]:
        """Return the features of some rows, with their statuses and ages, counted."""
        wanted = self.contract.parsed(rows)
        try:
            found = self.reader.get_online_features(self.settings.service, wanted, at=at)
        except MomentTooEarlyError as error:
            raise Problem(422, "invalid_moment", str(error)) from error
        statuses, ages = _words(found.statuses), found.ages
        self.metrics.features.add(statuses, ages)
        return found, statuses, ages

    def _keep(
        self, found: OnlineFeatures, *, model: str | None = None, predictions: Sequence[Any] | None = None
    ) -> None:
        if self._log is not None:
            self._log.add(found, model=model, predictions=predictions)

    def _take(self, source: "ModelSource") -> None:
        """Load what the model's URI means now, unless it is in use already."""
        resolved = source.resolve()
        if (
            self.model is not None
            and self.model.model_id == resolved.model_id
            and self.model.version == resolved.version
        ):
            return
        model = source.load(resolved)
        self._check_model(model)
        self.model = model
        self.metrics.model_version.set(model.version or 0)
        self.metrics.reloads.inc()
        _log.info("%s is %s", model.uri, model.ref)

    def _check_model(self, model: "ServedModel") -> None:
        if model.service and model.service != self.settings.service:
            raise TrackingError(
                f"model {model.ref}",
                f"it was trained on feature service {model.service!r}, not {self.settings.service!r}",
                f"Serve it with --service {model.service}",
            )


def _source_of(settings: ServerSettings) -> "ModelSource | None":
    if settings.model is None:
        return None
    from lakehouse.tracking import ModelSource  # loads MLflow, which a server of features doesn't need

    return ModelSource(settings.model, str(settings.tracking))


def _refuse_stale(statuses: Mapping[str, Sequence[str]], columns: Mapping[str, str]) -> None:
    stale = sorted(name for name, values in statuses.items() if name in columns and Status.STALE.value in values)
    if stale:
        message = f"Features {', '.join(stale)} are stale: materialize the service, or ask with allow_stale."
        raise Problem(503, "stale_features", message)


def _refuse_unknown(rows: Sequence[Mapping[str, Any]], known: set[str]) -> None:
    for number, row in enumerate(rows):
        strange = sorted(str(name) for name in row if name not in known)
        if strange:
            what = f"row {number} has {', '.join(map(repr, strange))}, which neither service nor model takes"
            raise Problem(422, "invalid_input", f"{what}; they take {', '.join(sorted(known))}.")


def _words(statuses: Mapping[str, Sequence[Status]]) -> dict[str, list[str]]:
    """Return statuses as plain text: members of an enumeration take fifty times as long to become JSON."""
    return {name: list(map(str.__str__, values)) for name, values in statuses.items()}


def _moment(found: OnlineFeatures) -> str:
    return format_moment(_EPOCH + timedelta(microseconds=found.at))
