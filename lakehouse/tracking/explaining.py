"""What a model came from and what came of a table: the half of a `Tracker` that explains."""

from lakehouse.errors import LakehouseError, TableNotFoundError
from lakehouse.refs import TableRef
from lakehouse.tables import TableDiff
from lakehouse.tracking.cards import ModelCard, model_card
from lakehouse.tracking.comparison import RunComparison, compare_runs
from lakehouse.tracking.connected import Connected
from lakehouse.tracking.impact import Asked, Impact, impact_of
from lakehouse.tracking.lineage import Lineage, lineage_of
from lakehouse.tracking.promotion_rows import Promotion
from lakehouse.tracking.reports import ExperimentReport, experiment_report
from lakehouse.tracking.reproduction import Reproduction, reproduce
from lakehouse.tracking.upstream import upstream_graph


class Explaining(Connected):
    """Explains runs and models, and makes them again."""

    def compare(self, first: str, second: str) -> RunComparison:
        """Return what differs between two runs, given by run id or model URI.

        Parameters, metrics, table versions, training set, code, environment and packages are compared; ``data`` of the
        result compares the rows of the tables that were read at two versions.

        Raises:
            TrackingError: There is no such run or model.
        """
        runs = self._backend.runs
        return compare_runs(runs, self._run_id_of(first), self._run_id_of(second), diff=self._diff)

    def lineage(self, model: str) -> Lineage:
        """Return where a model comes from: run, training set, table versions, code and environment.

        Its ``graph`` goes on from there: feature views, the commits and inputs that made each table version, up to the
        sources, with cycles and deleted things shown.

        Raises:
            TrackingError: There is no such model.
        """
        found = self._resolve(model)
        return lineage_of(self._backend, found, graph=lambda run: upstream_graph(self._lake, found, run))

    def impact(self, ref: str, *, onwards: bool = False, online: str | None = None) -> Impact:
        """Return what was made from a table version, through other tables too.

        Those are tables, runs in every experiment, registered models, live aliases, scores and online records.

        Args:
            ref: ``schema.table@7``.
            onwards: Also what was made from later versions.
            online: URI of an online store to look into.

        Raises:
            InvalidRefError: The ref can't be read.
            TrackingError: The ref names no version.
            TableNotFoundError, VersionNotFoundError: Nothing was made from it, and there is no such version either.
                What was made from a version that is gone is still told.
        """
        wanted = TableRef.parse(ref)
        asked = Asked(wanted, onwards, self._table_id(str(wanted.name)), online)
        found = impact_of(self._backend, self._lake, asked)
        if found.is_empty:
            self._lake.resolve(ref)
        return found

    def card(self, model: str) -> ModelCard:
        """Return the card of a model, as Markdown and HTML, from what is recorded of it.

        The tags ``owner``, ``purpose``, ``intended_use``, ``limitations``, ``contact`` and ``licence`` of its run are
        quoted.

        Raises:
            TrackingError: There is no such model.
        """
        lineage = self.lineage(model)
        history = self._promotions.history(lineage.name) if lineage.name else []
        return model_card(lineage, self._backend.runs.get(lineage.run_id), history)

    def report(self, measure: str = "auc", *, where: str = "", limit: int = 20) -> ExperimentReport:
        """Return what the experiment has come to: best runs, champions, and what beats one.

        Print it for a table; ``save`` it as a page that needs nothing beside it, or as JSON.

        Args:
            measure: Metric that runs are ordered by; the least first where its name says loss, error, brier, rmse, mae.
            where: Condition on the runs, in MLflow's search language.
            limit: At most so many runs.

        Raises:
            TrackingError: The condition can't be read.
        """
        rows: dict[str, list[Promotion]] = {}
        for row in self._promotions.all():
            rows.setdefault(row.model, []).append(row)
        return experiment_report(
            self._backend, self._experiment, measure=measure, where=where, limit=limit, history=rows
        )

    def reproduce(self, model: str) -> Reproduction:
        """Rebuild a model's training set from its record, train it again, and say what came out equal.

        The run's entry is called with the training set and the run's parameters. Digests of the training set and of
        its splits are compared, and what both models answer for the test rows, bit by bit. Code and packages that
        have changed since are named.

        Raises:
            TrackingError: The run recorded no entry or no training set, or the entry can't be imported here.
            TrainingSetError: An input of the training set is gone, or its rows can't be made again.
        """
        resolved = self._resolve(model)
        return reproduce(self._backend, self._lake, resolved, lambda: self._load(resolved))

    def _diff(self, table: str, first: int, second: int) -> TableDiff | str:
        try:
            return self._lake.table(table).diff(first, second)
        except LakehouseError as error:
            return str(error)

    def _run_id_of(self, text: str) -> str:
        return self._resolve(text).run_id if text.startswith("models:/") else text

    def _table_id(self, table: str) -> str:
        try:
            return self._lake.resolve(table).table_id
        except TableNotFoundError:
            return ""
