"""One window of one series, as the functions of windows are asked for it."""

from dataclasses import dataclass

from lakehouse.features.engine.kernel import Window
from lakehouse.features.engine.ordering import Ints
from lakehouse.features.engine.partials import Before
from lakehouse.features.engine.ranges import Pieces, count_of


@dataclass(frozen=True)
class Wanted:
    """One window of one series.

    Attributes:
        window: The feature.
        pieces: What each label's window holds of the series: a range of its main part and, where events had to be
            spelled out, a range of those.
        moments: The labels' moments.
        before: What the window holds besides, of events that were let go; None is nothing.
    """

    window: Window
    pieces: Pieces
    moments: Ints
    before: Before | None = None

    @property
    def count(self) -> Ints:
        """How many values each window holds."""
        there = count_of(self.pieces)
        return there if self.before is None else there + self.before.count

    def subject(self, view: str) -> str:
        """Return what an error about the feature is about."""
        return f"feature {self.window.output!r} of view {view!r}"
