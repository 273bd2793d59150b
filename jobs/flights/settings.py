"""Settings of the job: `FlightSettings`, what ``conf/flight_delays.yaml`` may say. No Spark."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from lakehouse.config import LakeSettings, Section, Settings, TrackingSettings
from lakehouse.errors import ConfigError


def months_of(text: str) -> tuple[int, ...]:
    """Return the months that a text such as ``1-3,12`` names, sorted, each once.

    Raises:
        ValueError: It names none, or something that is no month.
    """
    months: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"{part.strip()!r} is no month or range of months such as 1-3")
        span = range(int(first), int(last if dash else first) + 1)
        if not span or span[0] < 1 or span[-1] > 12:
            raise ValueError(f"{part.strip()!r} is not within 1-12")
        months.update(span)
    return tuple(sorted(months))


def _checked_months(text: str) -> str:
    months_of(text)
    return text


class ModelSettings(Section):
    """How the gradient boosting is grown.

    Attributes:
        max_iter: Number of trees.
        learning_rate: Weight of each.
        max_leaf_nodes: Leaves of a tree.
        seed: Seed of everything random.
    """

    max_iter: int = Field(default=150, gt=0)
    learning_rate: float = Field(default=0.1, gt=0)
    max_leaf_nodes: int = Field(default=31, gt=1)
    seed: int = 13


class FlightSettings(Settings):
    """What the job reads from its settings file.

    Attributes:
        months: Months of 2013 to take, such as ``1-12`` or ``1,2``.
        hours_ahead: How long before scheduled departure the prediction is made.
        late_minutes: A flight is late when it arrives so many minutes late or more.
        test_share: Share of the time span, its end, that models are tested on.
        lookups: How many flights are looked up online.
        zones: Airport to time zone, for destinations that airports.csv lacks.
        model: How the models are grown.
        lineage: Where OpenLineage events go, a file:// or http(s):// address; None for nowhere.
        reports: Folder for pictures, model card and report; beside the tables unless told, None in a catalog.
    """

    months: Annotated[str, AfterValidator(_checked_months)] = "1-12"
    hours_ahead: int = Field(default=2, ge=0)
    late_minutes: int = 15
    test_share: float = Field(default=0.25, gt=0, lt=1)
    lookups: int = Field(default=1000, gt=0)
    zones: dict[str, str] = Field(default_factory=dict)
    model: ModelSettings = ModelSettings()
    reports: str | None = None
    lineage: str | None = None

    @model_validator(mode="after")
    def _places(self) -> "FlightSettings":
        if self.lake.catalog is not None and (self.online is None or self.tracking is None):
            raise ValueError("with lake.catalog, online and tracking must be given too")
        return self

    def under(self, root: str | None, months: str | None) -> "FlightSettings":
        """Return the settings with what the command line says put in its place.

        Args:
            root: Folder of the lake, the online store and the tracking store; None leaves what the file says.
            months: As the attribute; None leaves what the file says.

        Raises:
            ConfigError: The months can't be read.
        """
        changes: dict[str, object] = {}
        if root is not None:
            changes |= {"lake": LakeSettings(root=root), "online": None, "tracking": None, "reports": None}
        if months is not None:
            try:
                changes["months"] = _checked_months(months)
            except ValueError as error:
                raise ConfigError("--months", "", str(error), "Write it as 1-12 or 1,2,3") from error
        return self.model_copy(update=changes)._with_places()

    @property
    def runs(self) -> TrackingSettings:
        """Where runs and models are kept.

        Raises:
            ConfigError: Nobody said; `under` says where it can.
        """
        if self.tracking is None:
            raise ConfigError("settings", "tracking", "missing", "Add it")
        return self.tracking

    def _with_places(self) -> "FlightSettings":
        """Put what the file doesn't place beside the tables, under the root."""
        if self.lake.root is None:
            return self
        if "://" in self.lake.root:
            if self.online is None or self.tracking is None:
                raise ConfigError("lake", "root", "is not a local folder", "Give online and tracking in the settings")
            return self
        root = Path(self.lake.root).resolve()
        tracking = TrackingSettings(
            uri=f"sqlite:///{root}/_mlflow/mlflow.db", experiment="flight-delay", artifacts=f"{root}/_mlflow/artifacts"
        )
        places = {
            "lake": LakeSettings(root=str(root)),
            "online": self.online or f"lmdb://{root}/_online",
            "tracking": self.tracking or tracking,
            "reports": self.reports or f"{root}/_reports",
        }
        return self.model_copy(update=places)
