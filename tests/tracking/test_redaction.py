import pytest

from lakehouse.tracking.redaction import REDACTED, is_secret_name, redact_text, redact_values


@pytest.mark.parametrize(
    "name",
    ["password", "db.password", "apiKey", "API_KEY", "aws_secret_access_key", "storage-account-key", "sasToken", "SAS"],
)
def test_names_of_secrets(name):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["max_tokens", "sort_key", "keys", "key", "tokenizer", "design", "sigma", "assay", "pass"]
)
def test_names_that_only_look_like_secrets(name):
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("postgresql://ana:hunter2@db:5432/x", "postgresql://[redacted]@db:5432/x"),
        ("https://a.blob/x?sv=1&sig=hunter2&se=2", "https://a.blob/x?sv=1&sig=[redacted]&se=2"),
        ('{"api_key": "hunter2", "depth": 3}', '{"api_key": "[redacted]", "depth": 3}'),
        ("export TOKEN=hunter2 PORT=80", "export TOKEN=[redacted] PORT=80"),
        ("key AKIAABCDEFGHIJKLMNOP here", "key [redacted] here"),
        ("dapi0123456789abcdef0123456789abcdef", "[redacted]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nrest", "[redacted]\nrest"),
        ("depth=3, note: see a@b.org", "depth=3, note: see a@b.org"),
    ],
)
def test_texts_lose_their_secrets_and_nothing_else(text, kept):
    assert redact_text(text) == kept


def test_nested_values_are_redacted_by_their_whole_path():
    values = {"api": {"key": "hunter2", "url": "http://u:p@h"}, "list": [{"pwd": 1}, "x"], "depth": 3}
    assert redact_values(values) == {
        "api": {"key": REDACTED, "url": f"http://{REDACTED}@h"},
        "list": [{"pwd": REDACTED}, "x"],
        "depth": 3,
    }


@pytest.mark.timeout(5)
def test_long_texts_are_read_once():
    for text in ("x" * 200_000, "a." * 100_000, "://" * 60_000, "a=" * 100_000, "eyJ" * 60_000):
        redact_text(text)
