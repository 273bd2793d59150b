"""What a lake's doctor asks of promotions, store by store; stores and ledger in memory, in plain Python."""

from datetime import datetime, timezone

from lakehouse.errors import TrackingError
from lakehouse.tracking import Promotion
from lakehouse.tracking.strays import PromotionProbe

NOON = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)


class Kept:
    """A registry that knows models and where their champions point, and the ledger's last rows."""

    def __init__(self, **champions):
        self.champions = champions

    def names(self):
        return sorted(self.champions)

    def versions(self, name):
        return [Promotion(1, name, "", "", number, None, "", "", NOON) for number in (1, 2) if name in self.champions]

    def strays(self):
        rows = [
            Promotion(1, name, "champion", "promotion", 2, 1, "why", "ana", NOON) for name in ("here", "there", "gone")
        ]
        return [(row, self.champions.get(row.model)) for row in rows if self.champions.get(row.model) != 2]


def probe(any_promotion=True, **stores):
    made = PromotionProbe(lambda: any_promotion)
    for uri, kept in stores.items():
        made.add(f"sqlite:///{uri}.db", kept)
    return made


def test_a_model_is_asked_of_the_stores_that_know_it_and_one_that_none_knows_is_told_once():
    one, other = Kept(here=1), Kept(there=2)
    found = probe(one=lambda: (one, one), other=lambda: (other, other))()
    assert [(said.table, "points at version 1" in said.what, "was deleted" in said.what) for said in found] == [
        ("champion of here", True, False),
        ("champion of gone", False, True),
    ]


def test_a_store_that_is_away_hides_nothing_of_the_others():
    def away():
        raise TrackingError("mlflow", "nobody answers")

    one = Kept(here=1, there=2, gone=2)
    found = probe(away=away, one=lambda: (one, one))()
    assert [said.table for said in found] == ["models at sqlite:///away.db", "champion of here"]


def test_a_lake_without_promotions_opens_no_store():
    def never():
        raise AssertionError

    assert probe(any_promotion=False, one=never)() == []
