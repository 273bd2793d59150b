"""Hooks: what layers above the lake add to its doctor and to ``forget``, without the lake knowing them.

Start at :class:`Hooks`, which every lake has as ``lake.hooks``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lakehouse.versioning.findings import Finding

Probe = Callable[[], Sequence[Finding]]
"""Looks at one thing and returns what it found wrong; an exception is a finding, too."""

Eraser = Callable[[Sequence[Mapping[str, Any]], Sequence[str], bool], str]
"""Erases from somewhere else what came from some tables: takes the keys, the tables' names, and whether it is a dry
run; returns what it did, in a sentence without a value of the keys, since it is kept."""


@dataclass(slots=True)
class Hooks:
    """What others added to a lake. Adding one under a name that is there replaces it.

    Attributes:
        probes: Name to what :meth:`Lakehouse.doctor` runs after its own probes.
        erasers: Name to what :meth:`Lakehouse.forget` calls after the tables are done, in the order of adding.
    """

    probes: dict[str, Probe] = field(default_factory=dict)
    erasers: dict[str, Eraser] = field(default_factory=dict)
