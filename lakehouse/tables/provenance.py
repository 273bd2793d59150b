"""Who writes, and why: what goes into every commit beside the rows. Knows no table.

Start at :class:`Provenance`, made once a lake; :meth:`Provenance.note` is the text that one commit carries.
"""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import SparkSession

from lakehouse.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Note:
    """What a commit says about itself, as text and by an id of its own.

    Attributes:
        commit_id: Unique to this write: finds its commit among those of concurrent writers.
        text: JSON for Delta's ``userMetadata``.
    """

    commit_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who writes in this process.

    Attributes:
        author: Person or service principal.
        job: Script or notebook; None where none is known.
        run_id: One id for all commits of one run.
        git_commit: Commit of the code, ``-dirty`` behind it where files differ from it; None outside a repository.
    """

    author: str
    job: str | None = None
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    git_commit: str | None = None

    @classmethod
    def of_session(cls, spark: SparkSession, *, author: str | None = None, job: str | None = None) -> "Provenance":
        """Return who writes through *spark*: the Databricks or OS user, and the script that runs."""
        user = author if author is not None else str(spark.sql("SELECT current_user()").collect()[0][0])
        return cls(user, job if job is not None else _script(), git_commit=git_commit(os.getcwd()))

    def note(self, message: str, *, inputs: Sequence[str] = (), facts: Mapping[str, Any] | None = None) -> Note:
        """Return what a commit with *message* carries; *facts* are further entries."""
        commit_id = uuid.uuid4().hex
        entries = {
            "message": message,
            "author": self.author,
            "job": self.job,
            "git_commit": self.git_commit,
            "inputs": sorted(set(inputs)),
            "run_id": self.run_id,
            "commit_id": commit_id,
            **(facts or {}),
        }
        return Note(commit_id, json.dumps(entries, ensure_ascii=False))


def check_message(message: str) -> str:
    """Return the message.

    Raises:
        ConfigError: It is not text or says nothing.
    """
    if not isinstance(message, str) or not message.strip():
        raise ConfigError("message", "", "it says nothing", "Say in a few words why this is written")
    return message


def git_commit(folder: str) -> str | None:
    """Return the commit of the repository around *folder*, ``-dirty`` behind it where files differ."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}-dirty" if changed else commit


def _git(folder: str, *arguments: str) -> str:
    command = ["git", "-C", folder, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()


def _script() -> str | None:
    """Return the file name of the script that runs, None in an interactive session."""
    name = os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] else ""
    return name if name and name not in {"-c", "-m", "ipykernel_launcher.py"} else None
