"""What is known of a run before it begins. Plain values; no backend."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.tracking.code import CodeState
from lakehouse.tracking.environment import Environment
from lakehouse.tracking.inputs import TrainingRows, training_tags
from lakehouse.tracking.values import tag_texts

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class RunPlan:
    """What is known of a run before it begins.

    Attributes:
        name: Its name.
        training_set: What it trains on; None for a run that reads no training set.
        params: Parameters, secrets included; they are redacted before they leave.
        tags: The caller's tags.
        entry: The function that makes the model, ``package.module:function``; None when it can't be called again.
        code: State of the code.
        environment: Software and hardware.
        author: Who runs it.
        parent: Id of the run above it; None for a run of its own.
        spark: The session that Spark ML models answer in; None without one.
    """

    name: str
    training_set: TrainingRows | None
    params: Mapping[str, object]
    tags: Mapping[str, object]
    entry: str | None
    code: CodeState
    environment: Environment
    author: str
    parent: str | None = None
    spark: "SparkSession | None" = None

    @property
    def own_tags(self) -> dict[str, str]:
        """Tags that we set: what the run was made from and with."""
        trained_on = {} if self.training_set is None else training_tags(self.training_set)
        entry = {} if self.entry is None else {"lakehouse.entry": self.entry}
        author = {"lakehouse.author": self.author} if self.author else {}
        parent = {} if self.parent is None else {"lakehouse.parent": self.parent}
        return tag_texts({**self.environment.tags, **self.code.tags, **trained_on, **entry, **author, **parent})
