"""What readers may not see yet: commits of a merge or transaction that is being published over several tables.

A publication is open while its ``intent`` is recorded and neither ``done`` nor ``undone`` is. Only the last one can be.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

REGISTRY = "publications"


@dataclass(frozen=True, slots=True)
class HiddenCommit:
    """A commit that is not to be seen.

    Attributes:
        commit_id: Its id.
        before: Version of the table that it comes after.
    """

    commit_id: str
    before: int


def hidden_commits(records: Iterable[Mapping[str, Any]]) -> dict[str, HiddenCommit]:
    """Return, for each table of the open publication, the commit that it makes there; empty where none is open.

    Args:
        records: Records of the registry of publications, one an event.
    """
    events = list(records)
    last = max((event["position"] for event in events), default=None)
    told = {event["event"]: event for event in events if event["position"] == last}
    if "intent" not in told or told.keys() & {"done", "undone"}:
        return {}
    intent = told["intent"]
    return {
        table["name"]: HiddenCommit(f"{intent['publication']}/{number}", table["before"])
        for number, table in enumerate(intent["tables"])
    }
