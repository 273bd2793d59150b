"""A feature view as the online store knows it: names, types and places in the record. Plain values, no Arrow, no Spark.

Start at `OnlineView`. The features of a view are laid out in groups: looked-up columns are one group, and each distinct
window another, because they change at different moments. `columns_of` says what a group's rows are made of.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from lakehouse.online.value_types import Type, slot_of

NEVER = -(1 << 63)
"""A moment that stands for none."""

ALWAYS = (1 << 63) - 1
"""A horizon that is never reached."""

BITS = 64


@dataclass(frozen=True, slots=True)
class OnlineFeature:
    """One feature.

    Attributes:
        name: Its name.
        type: Its type, see `value_types`.
        group: Number of the group that holds it.
        age: Which of the group's moments is its age's: of the row that was looked up, or of the newest event that
            counted.
        since: Whether the value is that age itself (`time_since_last`); nothing else is stored then.
        default: Stands for null when *since*; other defaults are in the stored values already.
    """

    name: str
    type: Type
    group: int
    age: int
    since: bool = False
    default: float | None = None


@dataclass(frozen=True)
class OnlineView:
    """One feature view.

    Attributes:
        name: Its name.
        definition: Digest of its definition.
        keys: Pairs of key column and type.
        features: Its features, looked-up columns first; those are in group 0.
        ages: How many moments each group keeps per row.
        lookups: How many of the features are looked-up columns.
        ttl: Greatest age of a looked-up row in microseconds; None is any.
    """

    name: str
    definition: str
    keys: tuple[tuple[str, Type], ...]
    features: tuple[OnlineFeature, ...]
    ages: tuple[int, ...]
    lookups: int = 0
    ttl: int | None = None

    @cached_property
    def digest(self) -> bytes:
        """16 bytes that stand for the definition and everything that the record's bytes depend on."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).digest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return the view as plain values that JSON can carry."""
        plain = {name: getattr(self, name) for name in ("name", "definition", "lookups", "ttl")}
        features = [asdict(feature) for feature in self.features]
        return {**plain, "keys": [list(key) for key in self.keys], "features": features, "ages": list(self.ages)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "OnlineView":
        """Return the view that `to_dict` described."""
        return cls(
            name=plain["name"],
            definition=plain["definition"],
            keys=tuple((name, kind) for name, kind in plain["keys"]),
            features=tuple(OnlineFeature(**feature) for feature in plain["features"]),
            ages=tuple(plain["ages"]),
            lookups=plain["lookups"],
            ttl=plain["ttl"],
        )

    def stored(self, group: int) -> list[int]:
        """Return which features have a value in the rows of a group, in order."""
        return [place for place, feature in enumerate(self.features) if feature.group == group and not feature.since]

    def formats(self, group: int) -> list[str]:
        """Return the struct formats of a group's row: null bits, moments for ages, values."""
        stored = self.stored(group)
        words = -(-len(stored) // BITS)
        return ["Q"] * words + ["q"] * self.ages[group] + [slot_of(self.features[at].type) for at in stored]

    def row(self, group: int) -> struct.Struct:
        """Return a group's row, packed without padding."""
        return struct.Struct("<" + "".join(self.formats(group)))

    @cached_property
    def whole_row(self) -> struct.Struct:
        """The rows of all groups, one behind the other."""
        return struct.Struct("<" + "".join(form for group in range(len(self.ages)) for form in self.formats(group)))
