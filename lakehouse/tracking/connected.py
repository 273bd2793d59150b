"""What every part of a tracker stands on: a lakehouse, a backend that is opened when it is needed, the ledger."""

import getpass
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any
from weakref import WeakValueDictionary

from lakehouse.errors import TrackingError
from lakehouse.refs import name_list
from lakehouse.tracking.backend import Backend, RunRecord
from lakehouse.tracking.connection import open_backend
from lakehouse.tracking.ledger import DeltaLedger
from lakehouse.tracking.models import ResolvedModel, checked_files, load_checked, loader_of, resolve_model
from lakehouse.tracking.promotions import Promotions
from lakehouse.tracking.redaction import redact_text
from lakehouse.tracking.strays import PromotionProbe
from lakehouse.tracking.trial import Contender, contender_types
from lakehouse.training import TrainingSet, load_training_set
from lakehouse.versioning import Lakehouse

_PROBE = "promotions"
"""Name of what a lake's doctor asks of promotions."""


class Connected:
    """A lakehouse and a tracking backend.

    The backend is opened, and made if it isn't there, when it is first needed. The lake's doctor looks at its aliases.

    Args:
        lake: The lakehouse that training sets come from; promotions are kept in it.
        uri: Where runs are kept, such as ``sqlite:///mlflow.db`` or the address of an MLflow server.
        experiment: Where new runs go.
        artifacts: Folder or URI for the artifacts of a new experiment; beside the file for SQLite, otherwise the
            server's own.
        required_tags: Tags without which no run begins.
        trust: Types to trust beyond our list in every model that is loaded, by full name; ``pickle`` for models that
            were saved with it, whose files then run whatever they say. Gates, `score` and `reproduce` load models.
    """

    def __init__(
        self,
        lake: Lakehouse,
        uri: str,
        *,
        experiment: str = "default",
        artifacts: str | None = None,
        required_tags: Sequence[str] = (),
        trust: Iterable[str] = (),
    ) -> None:
        self._lake, self._uri, self._experiment, self._artifacts = lake, uri, experiment, artifacts
        self._required_tags, self._trust = name_list(required_tags, "required_tags"), name_list(trust, "trust")
        # Training sets of this process by digest, while their owner keeps them: their rows needn't be made again.
        self._at_hand: WeakValueDictionary[str, TrainingSet] = WeakValueDictionary()
        probe = lake.hooks.probes.get(_PROBE)
        if not isinstance(probe, PromotionProbe):
            probe = lake.hooks.probes[_PROBE] = PromotionProbe(lambda: bool(DeltaLedger(lake).rows()))
        probe.add(uri, lambda: (self._promotions, self._backend.registry))

    def __repr__(self) -> str:
        return f"Tracker({redact_text(self._uri)!r}, experiment={self._experiment!r})"

    @cached_property
    def _backend(self) -> Backend:
        return open_backend(self._uri, experiment=self._experiment, artifacts=self._artifacts)

    @cached_property
    def _promotions(self) -> Promotions:
        return Promotions(DeltaLedger(self._lake), self._backend.registry)

    def _resolve(self, uri: str) -> ResolvedModel:
        return resolve_model(self._backend, uri)

    def _load(self, model: ResolvedModel, trust: Iterable[str] = ()) -> Any:
        return load_checked(self._backend, model, trust=[*self._trust, *name_list(trust, "trust")])

    def _contender(self, uri: str) -> Contender:
        model = self._resolve(uri)
        record = self._backend.models.get(model.model_id)
        return Contender(
            model=model,
            run=self._backend.runs.get(model.run_id),
            loader=loader_of(self._backend, model, self._trust),
            files=lambda: checked_files(self._backend, model),
            input_types=contender_types(record.tags),
            spark=self._lake.spark,
        )

    def _training_set_of(self, run: RunRecord) -> TrainingSet:
        """Return the training set of a run: the one at hand, or as its record makes it.

        Raises:
            TrackingError: The run recorded none.
            TrainingSetError: Its record or an input is gone.
        """
        name, digest = training_set_names(run)
        found = self._at_hand.get(digest)
        return load_training_set(self._lake, name, digest=digest) if found is None else found


def current_author() -> str:
    """Return the user of this process; empty where nobody knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def training_set_names(run: RunRecord) -> tuple[str, str]:
    """Return name and digest of a run's training set.

    Raises:
        TrackingError: The run recorded none.
    """
    name, digest = (run.tags.get(f"lakehouse.training_set{end}") for end in ("", ".digest"))
    if name is None or digest is None:
        hint = "Give tracker.run(…, training_set=…) when a model is trained"
        raise TrackingError(f"run {run.run_id}", "it recorded no training set", hint)
    return name, digest
