"""What a model came from and what came of a table: the half of a `Tracker` that explains."""

from lakehouse.errors import TableNotFoundError
from lakehouse.refs import TableRef
from lakehouse.tracking.comparison import RunComparison, compare_runs
from lakehouse.tracking.connected import Connected
from lakehouse.tracking.impact import Impact, impact_of
from lakehouse.tracking.lineage import Lineage, lineage_of
from lakehouse.tracking.models import load_checked
from lakehouse.tracking.reproduction import Reproduction, reproduce


class Explaining(Connected):
    """Explains runs and models, and makes them again."""

    def compare(self, first: str, second: str) -> RunComparison:
        """Return what differs between two runs, given by run id or model URI.

        Parameters, metrics, table versions, training set, code, environment and packages are compared.

        Raises:
            TrackingError: There is no such run or model.
        """
        return compare_runs(self._backend.runs, self._run_id_of(first), self._run_id_of(second))

    def lineage(self, model: str) -> Lineage:
        """Return where a model comes from: run, training set, table versions, code and environment.

        Raises:
            TrackingError: There is no such model.
        """
        return lineage_of(self._backend, self._resolve(model))

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
        resolved = self._resolve(model)
        return reproduce(self._backend, self._lake, resolved, lambda: load_checked(self._backend, resolved))

    def _run_id_of(self, text: str) -> str:
        return self._resolve(text).run_id if text.startswith("models:/") else text

    def _table_id(self, table: str) -> str:
        try:
            return self._lake.resolve(table).table_id
        except TableNotFoundError:
            return ""
