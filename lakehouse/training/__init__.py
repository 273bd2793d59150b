"""Training sets: correct to the moment, at pinned versions, with a record to rebuild them. Start at `TrainingSet`."""

from lakehouse.training.pinned import LabelColumns
from lakehouse.training.record import TrainingSetRecord
from lakehouse.training.split_rules import SplitRule
from lakehouse.training.splits import Split, Splits
from lakehouse.training.training_set import TrainingSet, load_training_set

__all__ = ["LabelColumns", "Split", "SplitRule", "Splits", "TrainingSet", "TrainingSetRecord", "load_training_set"]
