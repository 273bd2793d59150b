"""Secrets out of what is recorded: parameters, tags, URIs, diffs and error texts. Standard library only.

MLflow stores what it is given and prints over-long values to the log, so this runs before anything reaches it.
"""

import re
from collections.abc import Mapping
from itertools import pairwise

REDACTED = "[redacted]"

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = frozenset(
    {"password", "passwd", "pwd", "passphrase", "secret", "secrets", "token"}
    | {"credential", "credentials", "apikey", "accesskey", "sas", "sig"}
)
_KEY_OWNERS = frozenset(
    ("api", "access", "account", "secret", "private", "storage", "encryption", "signing", "shared", "auth", "master")
)

_USERINFO = re.compile(r"(?<=://)[^/\s@'\"]+(?=@)")
# Without the look-behind, a long text without any sign costs the square of its length.
_ASSIGNED = re.compile(
    r"(?<![\w.\-])(?P<name>[A-Za-z][\w.\-]*)(?P<sign>\"?'?\s*[=:]\s*)(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;&'\"]+)"
)
_TOKENS = re.compile(
    r"\b(?:dapi[0-9a-f]{32}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w\-]{20,}|(?:AKIA|ASIA)[0-9A-Z]{16}"
    r"|xox[abprs]-[\w\-]{10,}|sk-[\w\-]{20,}|eyJ[\w\-]{10,}\.[\w\-]+\.[\w\-]*)"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)


def is_secret_name(name: str) -> bool:
    """Return whether a setting of this name holds a secret: ``db.password``, ``apiKey``; not ``max_tokens``."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if any(word in _SECRET_WORDS for word in words):
        return True
    return any(word == "key" and before in _KEY_OWNERS for before, word in pairwise(words))


def redact_text(text: str) -> str:
    """Return *text* without the secrets that its form gives away.

    Those are the user part of a URI, what is assigned to a secret's name (``sig=…``, ``"password": "…"``), tokens of
    well-known form and private keys. Everything else stays as it is.
    """
    text = _USERINFO.sub(REDACTED, _TOKENS.sub(REDACTED, text))
    return _ASSIGNED.sub(_redact_assigned, text)


def redact_values(values: Mapping[str, object]) -> dict[str, object]:
    """Return the same names with secrets replaced; nested mappings and lists likewise, other types untouched."""
    return {name: _redact_value(name, value) for name, value in values.items()}


def _redact_value(path: str, value: object) -> object:
    """Return *value*, which lies under the dotted name *path*, without secrets."""
    if is_secret_name(path):
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {str(name): _redact_value(f"{path}.{name}", inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_value(path, inner) for inner in value]
    return value


def _redact_assigned(match: re.Match[str]) -> str:
    if not is_secret_name(match["name"]):
        return match[0]
    quote = match["value"][0] if match["value"][0] in "\"'" else ""
    return f"{match['name']}{match['sign']}{quote}{REDACTED}{quote}"
