"""The code of a run: git commit, uncommitted changes, and the function to call again. Reads, changes nothing."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from lakehouse.errors import TrackingError
from lakehouse.tracking.redaction import redact_text

_GIT_SECONDS = 20
_MAX_DIFF_CHARACTERS = 1_000_000


@dataclass(frozen=True)
class CodeState:
    """The state of a git work tree.

    Attributes:
        commit: The commit that is checked out; empty outside git or before the first commit.
        branch: The branch; empty when detached.
        dirty: Whether files differ from the commit, untracked ones included.
        diff: The changes of tracked files against the commit, secrets redacted.
        untracked: Paths of files that git doesn't know and doesn't ignore.
    """

    commit: str = ""
    branch: str = ""
    dirty: bool = False
    diff: str = ""
    untracked: tuple[str, ...] = ()

    @classmethod
    def of(cls, folder: Path) -> "CodeState":
        """Return the state of the work tree that *folder* lies in; empty where there is none or no git."""
        commit = _git(folder, "rev-parse", "HEAD")
        if not commit:
            return cls()
        diff = redact_text(_git(folder, "diff", "HEAD", "--no-color", "--no-ext-diff"))
        untracked = tuple(_git(folder, "ls-files", "--others", "--exclude-standard", "--full-name", ":/").splitlines())
        if len(diff) > _MAX_DIFF_CHARACTERS:
            diff = f"{diff[:_MAX_DIFF_CHARACTERS]}\n[cut here; the whole diff has {len(diff)} characters]\n"
        branch = _git(folder, "symbolic-ref", "--short", "-q", "HEAD")
        return cls(commit, branch, bool(diff or untracked), diff, untracked)

    @property
    def tags(self) -> dict[str, str]:
        """What is worth searching for, as tags; none outside git."""
        if not self.commit:
            return {}
        tags = {"lakehouse.git.commit": self.commit, "lakehouse.git.dirty": str(self.dirty).lower()}
        return {**tags, "lakehouse.git.branch": self.branch} if self.branch else tags


def load_entry(entry: str) -> Callable[..., Any]:
    """Return the function that *entry* names as ``package.module:function``.

    Raises:
        TrackingError: It isn't written so, or there is no such module or function.
    """
    module_name, colon, name = entry.partition(":")
    hint = "Write it as package.module:function, importable from where the run is reproduced"
    if not colon or not all(part.isidentifier() for part in (*module_name.split("."), *name.split("."))):
        raise TrackingError(f"entry {entry!r}", "it does not name a function", hint)
    try:
        found: Any = import_module(module_name)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise TrackingError(f"entry {entry!r}", str(error), hint) from error
    if not callable(found):
        raise TrackingError(f"entry {entry!r}", f"it is a {type(found).__name__}, not a function", hint)
    function: Callable[..., Any] = found
    return function


def code_folder(entry: str | None) -> Path:
    """Return the folder of the code that runs: of the entry's module, else the working directory."""
    if entry is not None:
        file = getattr(sys.modules.get(entry.partition(":")[0]), "__file__", None)
        if file:
            return Path(file).resolve().parent
    return Path.cwd()


def _git(folder: Path, *arguments: str) -> str:
    """Return what git prints, or an empty string when it fails or isn't there."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace").rstrip("\n") if done.returncode == 0 else ""
