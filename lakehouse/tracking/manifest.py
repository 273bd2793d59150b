"""The sha256 of every file of a model: written when it is saved, checked before it is loaded. Standard library only."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from lakehouse.errors import TrackingError

_BLOCK = 1 << 20


def manifest_of(folder: Path) -> dict[str, str]:
    """Return relative path to sha256 in hex of every file under *folder*, sorted by path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in files}


def manifest_text(manifest: Mapping[str, str]) -> str:
    """Return a manifest as JSON, the same text for the same files."""
    return json.dumps(dict(sorted(manifest.items())), separators=(",", ":"))


def check_manifest(folder: Path, manifest: Mapping[str, str], *, subject: str) -> None:
    """Check that *folder* holds exactly the files of *manifest*, byte for byte.

    Raises:
        TrackingError: A file was changed, added or removed since the model was saved.
    """
    actual = manifest_of(folder)
    problems = [
        *(f"{path} is gone" for path in sorted(manifest.keys() - actual.keys())),
        *(f"{path} was added" for path in sorted(actual.keys() - manifest.keys())),
        *(f"{path} was changed" for path in sorted(manifest.keys() & actual.keys()) if manifest[path] != actual[path]),
    ]
    if problems:
        hint = "It was not loaded. Find out who wrote to the artifact store, and register the model again"
        raise TrackingError(subject, f"its files are not those that were saved: {'; '.join(problems)}", hint)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
