"""Names of tables as folders under a root, ``root/schema/table``, and back. Reads nothing, knows no Spark."""

import os
import re
from urllib.parse import urlsplit

from lakehouse.errors import ConfigError
from lakehouse.refs import TableName

REGISTRY_SCHEMA = "_lakehouse"
"""Schema of the library's own tables; not listed among a lake's tables."""

_SAFE = re.compile(r"[\w\-+.$() !&]")
_ESCAPED = re.compile(r"~([0-9A-F]+)~")


def root_place(root: str | os.PathLike[str]) -> str:
    """Return the root as it is written everywhere: a URI as it is, a folder absolute.

    Raises:
        ConfigError: It is empty.
    """
    text = os.fspath(root)
    if not text.strip():
        raise ConfigError("lake", "root", "it is empty", "Name a folder or a URI")
    return text.rstrip("/") if urlsplit(text).scheme else os.path.abspath(os.path.expanduser(text))


def table_folder(root: str, name: TableName) -> str:
    """Return the folder of a table.

    Characters of a name that storage paths or globs give a meaning to are written as ``~HEX~``; all others stay.
    """
    return f"{root}/{_escaped(name.schema)}/{_escaped(name.table)}"


def table_in(schema_folder: str, table_folder: str) -> TableName:
    """Return the table whose folder has these two last parts."""
    return TableName(_plain(schema_folder), _plain(table_folder))


def _escaped(name: str) -> str:
    return "".join(part if _SAFE.match(part) else f"~{ord(part):X}~" for part in name)


def _plain(folder: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match.group(1), 16)), folder)
