"""`Tracker`: runs, models and their lineage, over one lakehouse and one tracking backend. Start here."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame

from lakehouse.config import TrackingSettings
from lakehouse.errors import TrackingError
from lakehouse.features.pins import AtOf
from lakehouse.tracking.backend import RunRecord
from lakehouse.tracking.code import CodeState, code_folder, load_entry
from lakehouse.tracking.connected import current_author, training_set_names
from lakehouse.tracking.deciding import Deciding
from lakehouse.tracking.environment import Environment
from lakehouse.tracking.explaining import Explaining
from lakehouse.tracking.inputs import TrainingRows
from lakehouse.tracking.places import LakePlaces
from lakehouse.tracking.plan import RunPlan
from lakehouse.tracking.run import Run
from lakehouse.tracking.scoring import Task, score_rows
from lakehouse.tracking.values import check_tags
from lakehouse.training import TrainingSet
from lakehouse.training.registry import find_record
from lakehouse.versioning import Lakehouse


class Tracker(Deciding, Explaining):
    """Runs, registered models and promotions, tied to the table versions of a lakehouse.

    The backend is opened, and made if it isn't there, when it is first needed.

    Args:
        lake: The lakehouse that training sets come from; promotions are kept in it.
        uri: Where runs are kept, such as ``sqlite:///mlflow.db`` or the address of an MLflow server.
        experiment: Where new runs go.
        artifacts: Folder or URI for the artifacts of a new experiment; beside the file for SQLite, otherwise the
            server's own.
        required_tags: Tags without which no run begins, such as ``owner`` and ``purpose``.
        trust: Types to trust beyond our list in every model that is loaded, by full name; ``pickle`` for models that
            were saved with it, whose files then run whatever they say. Gates, `score` and `reproduce` load models.
    """

    @classmethod
    def open(cls, lake: Lakehouse, settings: TrackingSettings) -> "Tracker":
        """Return the tracker that a settings file describes."""
        return cls(
            lake,
            settings.uri,
            experiment=settings.experiment,
            artifacts=settings.artifacts,
            required_tags=settings.required_tags,
            trust=settings.trust,
        )

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
            TrackingError: The entry is no function that can be imported, a tag's name is kept for lineage, a tag that
                the settings require is missing, or *training_set* is none. Nothing was written.
        """
        if training_set is not None and not hasattr(training_set, "roles"):
            hint = "Give what store.create_training_set or store.get_training_set returns"
            raise TrackingError(f"training set of run {name!r}", f"{training_set!r:.80} is none", hint)
        check_tags(tags or {}, required=self._required_tags)
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
            author=current_author(),
            spark=self._lake.spark,
        )
        if isinstance(training_set, TrainingSet):
            self._at_hand[training_set.digest] = training_set
        return Run(self._backend, LakePlaces(self._lake), plan)

    def runs(self, where: str = "", *, order_by: str | Sequence[str] = (), limit: int | None = 100) -> list[RunRecord]:
        """Return the experiment's runs, newest first unless told otherwise.

        Args:
            where: Condition in MLflow's search language, such as ``metrics.auc > 0.8 and params.depth = '3'``.
            order_by: Such as ``metrics.auc DESC``; one or several.
            limit: At most so many; None for all.

        Raises:
            TrackingError: The condition or the order can't be read, or *limit* is less than 1.
        """
        if limit is not None and limit < 1:
            raise TrackingError("runs", f"limit={limit} asks for none", "Give at least 1, or None for all")
        keys = [order_by] if isinstance(order_by, str) else list(order_by)
        return self._backend.runs.find(where=where, order_by=keys, limit=limit)

    def load_model(self, uri: str, *, trust: Iterable[str] = ()) -> Any:
        """Return the estimator that ``models:/name@champion``, ``models:/name/3`` or ``models:/m-…`` names.

        A copy of its files is checked against the sha256 that were recorded when it was saved, and loaded through
        skops with our list of types.

        Args:
            uri: The model.
            trust: Types to trust beyond the list, by full name; ``pickle`` for a model that was saved with it, whose
                file then runs whatever it says.

        Raises:
            TrackingError: There is no such model, its files are not those that were saved, or it holds other types.
        """
        return self._load(self._resolve(uri), trust)

    def score(
        self,
        model: str,
        rows: DataFrame | str | Sequence[Mapping[str, Any]],
        *,
        timestamp: str | None = None,
        at: AtOf = None,
        into: str | None = None,
        message: str | None = None,
    ) -> DataFrame:
        """Answer for many rows on Spark, with the model's own features, and append the answers to a table.

        The features are those of the service that the model was trained on, as it was then, at each row's own time. The
        table's commit names the model's version and every table version that was read.

        Args:
            model: A model URI.
            rows: What is asked about, one row an answer: the service's keys and whatever other columns of the labels
                the model uses; a DataFrame of Spark or pandas, a table ref, or a list of dicts.
            timestamp: Column with each row's time, TIMESTAMP; by default the training set's, which is added as now
                where the rows don't have it.
            at: Which versions of the sources to read, as in `get_historical_features`.
            into: ``schema.table``; ``predictions`` and the registered model's name by default.
            message: Why; a sentence that names the model by default.

        Returns:
            The rows as they were given, then ``prediction`` (the class, or DOUBLE), for two classes ``probability``
            (DOUBLE, of the second), ``model`` (URI with version) and ``scored_at`` (TIMESTAMP, one for all). Read back
            from the table; no order.

        Raises:
            TrackingError: There is no such model, its run recorded no training set, or its files were changed.
            MissingColumnsError: The rows lack a key or another column that the model uses.
            SchemaError: A moment has no time zone.
            DefinitionError: The rows have a column that is named like a feature or like one that is added, or *into* is
                a table of something else.
        """
        contender = self._contender(model)
        name, digest = training_set_names(contender.run)
        record = find_record(self._lake, name, digest=digest)
        task = Task(rows=rows, timestamp=timestamp, at=at, into=into, message=message)
        return score_rows(self._lake, contender, record, task)
