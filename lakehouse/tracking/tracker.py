"""`Tracker`: runs, models and their lineage, over one lakehouse and one tracking backend. Start here."""

import getpass
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from lakehouse.errors import TableNotFoundError
from lakehouse.refs import TableRef
from lakehouse.tracking.backend import Backend, RunRecord, VersionRecord
from lakehouse.tracking.code import CodeState, code_folder, load_entry
from lakehouse.tracking.comparison import RunComparison, compare_runs
from lakehouse.tracking.connection import open_backend
from lakehouse.tracking.environment import Environment
from lakehouse.tracking.impact import Impact, impact_of
from lakehouse.tracking.inputs import TrainingRows
from lakehouse.tracking.ledger import DeltaLedger
from lakehouse.tracking.lineage import Lineage, lineage_of
from lakehouse.tracking.models import load_checked, resolve_model
from lakehouse.tracking.places import LakePlaces
from lakehouse.tracking.plan import RunPlan
from lakehouse.tracking.promotions import Promotion, Promotions
from lakehouse.tracking.redaction import redact_text
from lakehouse.tracking.reproduction import Reproduction, reproduce
from lakehouse.tracking.run import Run
from lakehouse.tracking.values import check_tags
from lakehouse.versioning import Lakehouse


class Tracker:
    """Runs, registered models and promotions, tied to the table versions of a lakehouse.

    The backend is opened, and made if it isn't there, when it is first needed.

    Args:
        lake: The lakehouse that training sets come from; promotions are kept in it.
        uri: Where runs are kept, such as ``sqlite:///mlflow.db`` or the address of an MLflow server.
        experiment: Where new runs go.
        artifacts: Folder or URI for the artifacts of a new experiment; beside the file for SQLite, otherwise the
            server's own.
    """

    def __init__(self, lake: Lakehouse, uri: str, *, experiment: str = "default", artifacts: str | None = None) -> None:
        self._lake, self._uri, self._experiment, self._artifacts = lake, uri, experiment, artifacts

    def __repr__(self) -> str:
        return f"Tracker({redact_text(self._uri)!r}, experiment={self._experiment!r})"

    @cached_property
    def _backend(self) -> Backend:
        return open_backend(self._uri, experiment=self._experiment, artifacts=self._artifacts)

    @cached_property
    def _promotions(self) -> Promotions:
        return Promotions(DeltaLedger(self._lake), self._backend.registry)

    def run(
        self,
        name: str,
        *,
        training_set: TrainingRows | None = None,
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, object] | None = None,
        entry: str | None = None,
    ) -> Run:
        """Return a run, to be used in a ``with`` block, that ends with it: FAILED with the error if the block raises.

        Recorded at once: parameters, tags, the training set's tables as inputs with role and version, its splits, git
        commit and uncommitted changes, exact packages, Python, Java, Spark, Delta and hardware. At the end: wall and
        CPU seconds. Secrets in parameters, tags and texts are redacted.

        Args:
            name: Name of the run.
            training_set: What it trains on.
            params: Parameters; nested mappings get dotted names.
            tags: The caller's tags.
            entry: ``package.module:function`` that trains the model: called with the training set and the parameters,
                it returns the fitted model. What `reproduce` calls.

        Raises:
            TrackingError: The entry is no function that can be imported, or a tag's name is kept for lineage. Nothing
                was written.
        """
        check_tags(tags or {})
        if entry is not None:
            load_entry(entry)
        plan = RunPlan(
            name=name,
            training_set=training_set,
            params=dict(params or {}),
            tags=dict(tags or {}),
            entry=entry,
            code=CodeState.of(code_folder(entry)),
            environment=Environment.current(self._lake.spark),
            author=_author(),
        )
        return Run(self._backend, LakePlaces(self._lake), plan)

    def runs(self, where: str = "", *, order_by: str | Sequence[str] = (), limit: int | None = 100) -> list[RunRecord]:
        """Return the experiment's runs, newest first unless told otherwise.

        Args:
            where: Condition in MLflow's search language, such as ``metrics.auc > 0.8 and params.depth = '3'``.
            order_by: Such as ``metrics.auc DESC``; one or several.
            limit: At most so many; None for all.

        Raises:
            TrackingError: The condition can't be read.
        """
        keys = [order_by] if isinstance(order_by, str) else list(order_by)
        return self._backend.runs.find(where=where, order_by=keys, limit=limit)

    def compare(self, first: str, second: str) -> RunComparison:
        """Return what differs between two runs, given by run id or model URI.

        Parameters, metrics, table versions, training set, code, environment and packages are compared.

        Raises:
            TrackingError: There is no such run or model.
        """
        return compare_runs(self._backend.runs, self._run_id_of(first), self._run_id_of(second))

    def load_model(self, uri: str, *, trust: Iterable[str] = ()) -> Any:
        """Return the estimator that ``models:/name@champion``, ``models:/name/3`` or ``models:/m-…`` names.

        A copy of its files is checked against the sha256 that were recorded when it was saved, and loaded through
        skops with our list of types.

        Args:
            uri: The model.
            trust: Types to trust beyond the list, by full name.

        Raises:
            TrackingError: There is no such model, its files are not those that were saved, or it holds other types.
        """
        return load_checked(self._backend, resolve_model(self._backend, uri), trust=trust)

    def models(self, name: str) -> list[VersionRecord]:
        """Return the versions of a registered model with their aliases, oldest first."""
        return self._backend.registry.versions(name)

    def lineage(self, model: str) -> Lineage:
        """Return where a model comes from: run, training set, table versions, code and environment.

        Raises:
            TrackingError: There is no such model.
        """
        return lineage_of(self._backend, resolve_model(self._backend, model))

    def impact(self, ref: str, *, onwards: bool = False) -> Impact:
        """Return what was made from a table version: runs in every experiment, registered models, live aliases.

        Args:
            ref: ``schema.table@7``.
            onwards: Also what was made from later versions.

        Raises:
            InvalidRefError: The ref can't be read.
            TrackingError: The ref names no version.
        """
        wanted = TableRef.parse(ref)
        return impact_of(self._backend, wanted, onwards=onwards, table_id=self._table_id(str(wanted.name)))

    def reproduce(self, model: str) -> Reproduction:
        """Rebuild a model's training set from its record, train it again, and say what came out equal.

        The run's entry is called with the training set and the run's parameters. Digests of the training set and of
        its splits are compared, and what both models answer for the test rows, bit by bit. Code and packages that
        have changed since are named.

        Raises:
            TrackingError: The run recorded no entry or no training set, or the entry can't be imported here.
            TrainingSetError: An input of the training set is gone, or its rows can't be made again.
        """
        resolved = resolve_model(self._backend, model)
        return reproduce(self._backend, self._lake, resolved, lambda: load_checked(self._backend, resolved))

    def promote(
        self, name: str, *, version: int, reason: str, to: str = "champion", author: str | None = None
    ) -> Promotion:
        """Point an alias at a version, and record who, when and why, in the lakehouse's ledger.

        Args:
            name: The registered model.
            version: The version to promote.
            reason: Why, in words.
            to: The alias.
            author: Who; the user of the process by default.

        Returns:
            The ledger's row.

        Raises:
            TrackingError: There is no such version, the alias points at it already, or no reason is given.
            ConcurrentWriteError: Another promoter was first; nothing was changed.
        """
        return self._promotions.promote(name, version, alias=to, reason=reason, author=author or _author())

    def rollback(self, name: str, *, reason: str, alias: str = "champion", author: str | None = None) -> Promotion:
        """Point an alias back at the version that had it before, and record it.

        Raises:
            TrackingError: There is none before.
            ConcurrentWriteError: Another promoter was first; nothing was changed.
        """
        return self._promotions.rollback(name, alias=alias, reason=reason, author=author or _author())

    def promotions(self, name: str) -> list[Promotion]:
        """Return the ledger's rows of a registered model, oldest first."""
        return self._promotions.history(name)

    def _run_id_of(self, text: str) -> str:
        return resolve_model(self._backend, text).run_id if text.startswith("models:/") else text

    def _table_id(self, table: str) -> str:
        try:
            return self._lake.resolve(table).table_id
        except TableNotFoundError:
            return ""


def _author() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
