"""Quality of rows: checks, gates, profiles and drift. Works on DataFrames; knows no storage."""

from lakehouse.quality.checks import Check
from lakehouse.quality.conditions import Custom, Expression, InRange, Matches, NotNull, OneOf
from lakehouse.quality.distributions import (
    Distribution,
    jensen_shannon,
    kolmogorov_smirnov,
    population_stability,
    wasserstein,
)
from lakehouse.quality.drifts import ColumnDrift, DriftReport, drift
from lakehouse.quality.gates import Gate, GateResult, Gates, check_gates, gates_by_table, run_gates
from lakehouse.quality.keys import ForeignKey, Unique
from lakehouse.quality.measures import Fresh, NullShare, RowCount
from lakehouse.quality.profiles import ColumnProfile, Profile
from lakehouse.quality.profiling import profile
from lakehouse.quality.reports import Outcome, Report
from lakehouse.quality.runs import run_checks, split_rows

__all__ = [
    "Check",
    "ColumnDrift",
    "ColumnProfile",
    "Custom",
    "Distribution",
    "DriftReport",
    "Expression",
    "ForeignKey",
    "Fresh",
    "Gate",
    "GateResult",
    "Gates",
    "InRange",
    "Matches",
    "NotNull",
    "NullShare",
    "OneOf",
    "Outcome",
    "Profile",
    "Report",
    "RowCount",
    "Unique",
    "check_gates",
    "drift",
    "gates_by_table",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "population_stability",
    "profile",
    "run_checks",
    "run_gates",
    "split_rows",
    "wasserstein",
]
