"""OpenLineage events of a job: that it began, and when it ended what it read and wrote, with Delta versions.

Start at `lineage_events`. Nothing in a job needs to be marked: all commits through one `Lakehouse` object share its run
id and name their inputs, so the tables' own history tells.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from lakehouse.errors import ConfigError, LakehouseError, TrackingError
from lakehouse.refs import TableRef
from lakehouse.tables import Commit
from lakehouse.tracking.redaction import redact_text
from lakehouse.tracking.table_history import TableHistory
from lakehouse.versioning import Lakehouse

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient

PRODUCER = "lakehouse"


@contextmanager
def lineage_events(lake: Lakehouse, job: str, *, to: str, namespace: str = "lakehouse") -> Iterator[None]:
    """Send START, and at the end of the block COMPLETE, or FAIL with the error, for what *lake* commits inside.

    Args:
        lake: The lakehouse that the job writes through; one object a job, as events are told apart by its run id.
        job: Name of the job.
        to: ``file:///srv/events.ndjson``, to which a line an event is appended, or the ``http``(s) address of an
            OpenLineage backend.
        namespace: Namespace of the job.

    Raises:
        ConfigError: *to* is neither.
        TrackingError: An event can't be sent. An error of the block comes first.
    """
    sender = _Sender(lake, job, to, namespace)
    sender.send("START")
    try:
        yield
    except BaseException as error:
        try:
            sender.send("FAIL", error=error)
        except LakehouseError as unsent:
            error.add_note(str(unsent)) if hasattr(error, "add_note") else None
        raise
    sender.send("COMPLETE")


class _Sender:
    def __init__(self, lake: Lakehouse, job: str, to: str, namespace: str) -> None:
        self._lake, self._job, self._namespace, self._to = lake, job, namespace, to
        self._client = _client(to)

    def send(self, kind: str, *, error: BaseException | None = None) -> None:
        from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
        from openlineage.client.facet_v2 import error_message_run
        from openlineage.client.generated.base import RunFacet

        facets: dict[str, RunFacet] = {}
        if error is not None:
            text = redact_text(f"{type(error).__name__}: {error}")
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(message=text, programmingLanguage="Python")
        commits = [] if kind == "START" else self._commits()
        written = {commit.ref for commit in commits}
        read = {ref for commit in commits for ref in commit.inputs} - written
        event = RunEvent(
            eventTime=datetime.now(timezone.utc).isoformat(),
            producer=PRODUCER,
            run=Run(str(UUID(self._lake.run_id)), facets=facets),
            job=Job(self._namespace, self._job),
            eventType=RunState[kind],
            inputs=self._datasets(read, output=False),
            outputs=self._datasets(written, output=True),
        )
        try:
            self._client.emit(event)
        # What a transport raises depends on it and on its version.
        except Exception as error:
            problem = f"the event can't be sent ({redact_text(str(error).splitlines()[0] if str(error) else '')})"
            raise TrackingError(f"lineage events to {redact_text(self._to)}", problem, "Check the address") from error

    def _commits(self) -> list[Commit]:
        """Return the commits of this run in all tables, the library's own left out."""
        history, tables = TableHistory(self._lake), self._lake.tables()
        history.fetch(tables)
        return [
            commit for table in tables for commit in history.commits(table) or () if commit.run_id == self._lake.run_id
        ]

    def _datasets(self, refs: Iterable[str], *, output: bool) -> list[Any]:
        from openlineage.client.event_v2 import InputDataset, OutputDataset
        from openlineage.client.facet_v2 import dataset_version_dataset

        kind: type[InputDataset] | type[OutputDataset] = OutputDataset if output else InputDataset
        found = []
        for ref in sorted(refs):
            parsed = TableRef.parse(ref)
            space, name = _place(self._lake.location(str(parsed.name)))
            # As text: 0 is a version.
            facet = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=str(parsed.at))
            found.append(kind(space, name, facets={"version": facet}))
        return found


def _place(location: str) -> tuple[str, str]:
    """Return namespace and name of a table as OpenLineage names things: by storage, or by catalog."""
    if "/" not in location:
        catalog, _, name = location.partition(".")
        return catalog, name
    parts = urlsplit(location)
    if parts.scheme in ("", "file"):
        return "file", parts.path
    return f"{parts.scheme}://{parts.netloc}", parts.path


def _client(to: str) -> "OpenLineageClient":
    parts = urlsplit(to)
    if parts.scheme == "file" and parts.path:
        Path(parts.path).parent.mkdir(parents=True, exist_ok=True)
    elif parts.scheme not in ("http", "https") or not parts.hostname:
        problem = f"{redact_text(to)!r} is neither a file nor an http address"
        raise ConfigError("lineage events", "", problem, "Write it as file:///srv/events.ndjson or https://host")
    try:
        from openlineage.client import OpenLineageClient
        from openlineage.client.transport.file import FileConfig, FileTransport
        from openlineage.client.transport.http import HttpConfig, HttpTransport
    except ModuleNotFoundError as error:
        hint = "pip install lakehouse[lineage]"
        raise TrackingError("lineage events", f"package {error.name} is not installed", hint) from error
    if parts.scheme == "file":
        return OpenLineageClient(transport=FileTransport(FileConfig(log_file_path=parts.path, append=True)))
    retry = {"total": 2, "backoff_factor": 0.3, "allowed_methods": ["POST"], "status_forcelist": [502, 503, 504]}
    return OpenLineageClient(transport=HttpTransport(HttpConfig(url=to, retry=retry)))
