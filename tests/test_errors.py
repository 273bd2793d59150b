import inspect
import pickle

import pytest

from lakehouse import errors

SAMPLES = [
    errors.ConfigError("local.yaml", "lake.root", "unknown key", "Did you mean path?"),
    errors.InvalidNameError("a/b", "table", "it holds '/'"),
    errors.InvalidRefError("x@", "not a moment", "Write it as 2026-06-01T00:00:00Z"),
    errors.TableNotFoundError("raw.a", ["raw.b"]),
    errors.VersionNotFoundError("raw.a", 9, 0, 3),
    errors.TagNotFoundError("june", nearest=["jun"]),
    errors.TagNotFoundError("june", "raw.a", ["raw.b"]),
    errors.BranchNotFoundError("fix", nearest=["fixes"]),
    errors.BranchNotFoundError("fix", "raw.a", ["raw.b"]),
    errors.BranchExistsError("fix"),
    errors.BranchExistsError("june", "tag"),
    errors.TableExistsError("raw.a"),
    errors.TagExistsError("june", ["raw.a@0"]),
    errors.SchemaError("raw.a", "no columns"),
    errors.MissingColumnsError("raw.a", ["x"], ["y"]),
    errors.SchemaMismatchError("raw.a", {"x": ("int", None)}, "Cast it"),
    errors.DuplicateKeysError("raw.a", ["id"], ["id=1"], "Keep one"),
    errors.ConstraintError("raw.a", "id > 0"),
    errors.MergeConflictError("branch fix", {"raw.a": 1200, "raw.b": 1}),
    errors.ConcurrentWriteError("raw.a", "merge"),
    errors.StorageError("raw.a", "disk full", "Make room"),
    errors.UnsupportedReadError("raw.a", "it is in an object store"),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_is_one_sentence_or_two_and_survives_pickling(error):
    text = str(error)
    assert text[-1] in ".?!"
    assert "\n" not in text
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), text, vars(error))


def test_every_error_derives_from_the_one_base_and_a_builtin_that_a_caller_expects():
    classes = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]
    assert all(issubclass(kind, errors.LakehouseError) for kind in classes)
    assert issubclass(errors.TableNotFoundError, LookupError)
    assert issubclass(errors.SchemaMismatchError, ValueError)
    assert issubclass(errors.StorageError, OSError)
    assert issubclass(errors.ConcurrentWriteError, RuntimeError)


def test_facts_stay_attributes_and_version_0_is_told():
    assert "versions 0 to 3" in str(errors.VersionNotFoundError("raw.a", 9, 0, 3))
    assert errors.SchemaMismatchError("t", {"x": ("int", "string")}).differences == {"x": ("int", "string")}
    told = str(errors.SchemaMismatchError("t", {"x": ("int", "string"), "y": (None, "date")}))
    assert "'x' is int in the table and string in what was given" in told
    assert "'y' is absent in the table and date in what was given" in told
