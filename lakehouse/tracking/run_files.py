"""What a run keeps as files: figures, texts, copies. The lower half of a `Run`."""

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lakehouse.errors import TrackingError
from lakehouse.tracking.backend import Backend
from lakehouse.tracking.redaction import redact_text
from lakehouse.tracking.values import json_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_ERROR_CHARACTERS = 2000


class RunFiles:
    """The artifacts of a run in progress."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._begun_as = ""

    @property
    def run_id(self) -> str:
        """The backend's id of this run.

        Raises:
            TrackingError: It hasn't begun.
        """
        if not self._begun_as:
            hint = "Use it in a with block: with tracker.run(…) as run:"
            raise TrackingError("run", "it hasn't begun, so nothing can be recorded in it", hint)
        return self._begun_as

    @property
    def _run_id(self) -> str:
        return self.run_id

    def log_figure(self, figure: "Figure", name: str) -> None:
        """Record a matplotlib figure as ``figures/name.png``."""
        with TemporaryDirectory() as folder:
            file = artifact_path(Path(folder), f"figures/{name}", ".png")
            figure.savefig(file, dpi=120, bbox_inches="tight")
            self._backend.runs.log_folder(self._run_id, Path(folder))

    def log_json(self, content: object, name: str) -> None:
        """Record plain values as the artifact ``name.json``; secrets are redacted."""
        self._log_texts({f"{name.removesuffix('.json')}.json": json_text(content)})

    def log_file(self, file: Path | str, folder: str = "") -> None:
        """Record a copy of a file, as it is, as an artifact in *folder*."""
        source = Path(file)
        with TemporaryDirectory() as scratch:
            copy = artifact_path(Path(scratch), f"{folder}/{source.name}" if folder else source.name, "")
            copy.write_bytes(source.read_bytes())
            self._backend.runs.log_folder(self._run_id, Path(scratch))

    def _log_error(self, error: BaseException) -> None:
        text = redact_text(f"{type(error).__name__}: {error}")[:_MAX_ERROR_CHARACTERS]
        self._backend.runs.set_tags(self._run_id, {"lakehouse.error": text})
        trace: Sequence[str] = traceback.format_exception(error)
        self._log_texts({"error.txt": redact_text("".join(trace))})

    def _log_texts(self, texts: Mapping[str, str]) -> None:
        with TemporaryDirectory() as folder:
            for path, text in texts.items():
                artifact_path(Path(folder), path, "").write_text(text, encoding="utf-8")
            self._backend.runs.log_folder(self._run_id, Path(folder))


def artifact_path(folder: Path, path: str, suffix: str) -> Path:
    """Return where the artifact *path* is to be written under *folder*, its parents made.

    Raises:
        TrackingError: The path leaves the folder.
    """
    wanted = path if not suffix or path.endswith(suffix) else f"{path}{suffix}"
    file = (folder / wanted).resolve()
    if not file.is_relative_to(folder.resolve()) or file == folder.resolve():
        raise TrackingError(f"artifact {path!r}", "it lies outside the run's artifacts", "Use a plain relative name")
    file.parent.mkdir(parents=True, exist_ok=True)
    return file
