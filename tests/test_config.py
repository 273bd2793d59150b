import pytest

from lakehouse.config import Settings, load_settings
from lakehouse.errors import ConfigError


def settings(tmp_path, text):
    file = tmp_path / "local.yaml"
    file.write_text(text)
    return load_settings(file, Settings)


def test_a_file_is_read_into_a_frozen_record(tmp_path):
    found = settings(
        tmp_path, "lake: {root: /data}\nspark: {driver_memory: 4g, conf: {spark.x: 1}}\nonline: lmdb:///o\n"
    )
    assert (found.lake.root, found.spark.driver_memory, found.spark.conf, found.online) == (
        "/data",
        "4g",
        {"spark.x": 1},
        "lmdb:///o",
    )
    with pytest.raises(ValueError, match="frozen"):
        found.online = None


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        ("lake: {rot: /data}", "lake.rot", "root"),
        ("lake: {root: /data}\nsprak: {}", "sprak", "spark"),
        ("lake: {root: /data}\nspark: {driver_memory: [1]}", "spark.driver_memory", "string"),
        ("lake: {root: /data, catalog: main}", "lake", "either root or catalog"),
        ("lake: {}", "lake", "either root or catalog"),
        ("spark: {}", "lake", "missing"),
        ("", "", "no settings"),
        ("lake: [", "", "not YAML"),
        ("lake: {root: /a}\nlake: {root: /b}", "", "the key 'lake' is there twice"),
        ("lake: {root: /a, root: /b}", "", "the key 'root' is there twice"),
        ("lake: {root: !!python/object/apply:os.getcwd []}", "", "not YAML"),
        ("lake: {root: '${NOT_SET_ANYWHERE}'}", "lake.root", "NOT_SET_ANYWHERE"),
    ],
)
def test_a_wrong_setting_is_told_by_file_key_and_what_would_be_right(tmp_path, text, key, told):
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, text)
    assert (caught.value.file, caught.value.key) == (str(tmp_path / "local.yaml"), key)
    assert told in str(caught.value)


def test_a_file_that_is_no_text_is_told(tmp_path):
    (tmp_path / "local.yaml").write_bytes(b"lake\xff")
    with pytest.raises(ConfigError, match="not text in UTF-8"):
        load_settings(tmp_path / "local.yaml", Settings)


def test_a_missing_file_is_told_with_what_lies_beside_it(tmp_path):
    (tmp_path / "local.yaml").write_text("lake: {root: /data}")
    with pytest.raises(ConfigError, match=r"local\.yaml"):
        load_settings(tmp_path / "locale.yaml", Settings)


def test_secrets_come_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("LAKE_ROOT", "/from/env")
    assert (
        settings(tmp_path, "lake: {root: '${LAKE_ROOT}/x'}\nonline: '${NO_STORE:-lmdb:///d}'").lake.root
        == "/from/env/x"
    )
