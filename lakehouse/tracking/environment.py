"""What a run was computed with: exact packages, Python, Java, Spark, Delta, and the machine. Reads, changes nothing."""

import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distributions, packages_distributions, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_MODEL_PACKAGES = ("mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops")


@dataclass(frozen=True)
class Environment:
    """Software and hardware of a run.

    Attributes:
        python: Version of Python.
        java: Version of the Java that Spark runs on; empty where Spark doesn't tell.
        spark: Version of Spark.
        delta: Version of Delta's Python package; empty where the platform brings Delta itself.
        system: Operating system and release.
        machine: Processor architecture.
        processors: Processors that this process may use.
        memory_bytes: Memory of the machine; 0 where it can't be told.
        requirements: Every installed package as ``name==version``, sorted.
    """

    python: str
    java: str
    spark: str
    delta: str
    system: str
    machine: str
    processors: int
    memory_bytes: int
    requirements: tuple[str, ...]

    @classmethod
    def current(cls, spark: "SparkSession | None") -> "Environment":
        """Return what this process runs on."""
        return cls(
            python=platform.python_version(),
            java="" if spark is None else _java_version(spark),
            spark=installed_version("pyspark") if spark is None else str(spark.version),
            delta=installed_version("delta-spark"),
            system=f"{platform.system()} {platform.release()}",
            machine=platform.machine(),
            processors=_processors(),
            memory_bytes=_memory_bytes(),
            requirements=installed_requirements(),
        )

    @property
    def tags(self) -> dict[str, str]:
        """What is worth searching for, as tags."""
        versions = {"python": self.python, "java": self.java, "spark": self.spark, "delta": self.delta}
        hardware = f"{self.processors} x {self.machine}, {self.memory_bytes / 2**30:.1f} GiB"
        return {
            **{f"lakehouse.{name}": value for name, value in versions.items() if value},
            "lakehouse.hardware": hardware,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, without the list of packages, which has a file of its own."""
        plain = asdict(self)
        del plain["requirements"]
        return plain


@lru_cache(maxsize=1)
def installed_requirements() -> tuple[str, ...]:
    """Return every installed package as ``name==version``, sorted by name, each once."""
    # The first of two distributions of one name is the one that an import finds.
    found: dict[str, str] = {}
    for distribution in distributions():
        found.setdefault(distribution.name.lower().replace("_", "-"), distribution.version)
    return tuple(f"{name}=={found[name]}" for name in sorted(found))


def model_requirements(modules: Iterable[str]) -> list[str]:
    """Return the pinned packages that a model of types from *modules* needs to be loaded."""
    owners = _package_owners()
    roots = {module.partition(".")[0] for module in modules}
    owned = {owner for root in roots for owner in owners.get(root, ())}
    pins = {name: installed_version(name) for name in {*_MODEL_PACKAGES, *owned}}
    return sorted(f"{name}=={found}" for name, found in pins.items() if found)


def installed_version(package: str) -> str:
    """Return the version of an installed package, or an empty string."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


@lru_cache(maxsize=1)
def _package_owners() -> dict[str, tuple[str, ...]]:
    return {module: tuple(owners) for module, owners in packages_distributions().items()}


def _java_version(spark: "SparkSession") -> str:
    from pyspark.errors import PySparkException  # a server that only applies models has no Spark

    try:
        row = spark.sql("SELECT java_method('java.lang.System', 'getProperty', 'java.version') AS java").first()
    except PySparkException:
        return ""  # Shared Databricks compute forbids java_method.
    return "" if row is None else str(row["java"])


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0
