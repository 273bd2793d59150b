"""Hooks: what layers above the lake add to its doctor, without the lake knowing them.

Start at :class:`Hooks`, which every lake has as ``lake.hooks``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lakehouse.versioning.findings import Finding

Probe = Callable[[], Sequence[Finding]]
"""Looks at one thing and returns what it found wrong; an exception is a finding, too."""


@dataclass(slots=True)
class Hooks:
    """What others added to a lake. Adding one under a name that is there replaces it.

    Attributes:
        probes: Name to what :meth:`Lakehouse.doctor` runs after its own probes.
    """

    probes: dict[str, Probe] = field(default_factory=dict)
