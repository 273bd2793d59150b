"""``lakehouse show``."""

from typing import Annotated, Any

import typer

from lakehouse.cli.asked import Asked, asked
from lakehouse.cli.completion import complete_ref
from lakehouse.cli.places import LakeReader, reader_of, spark_reader_of
from lakehouse.cli.printing import counted, print_facts, print_json, print_line, print_table
from lakehouse.errors import InvalidNameError, TableNotFoundError, UnsupportedReadError
from lakehouse.inspection import VersionView
from lakehouse.versioning.tag_records import Tag


def show(
    ctx: typer.Context,
    ref: Annotated[
        str, typer.Argument(metavar="REF", help="schema.table, a ref, or a tag.", autocompletion=complete_ref)
    ],
    rows: Annotated[int, typer.Option("--rows", "-n", min=0, help="Show so many rows too, in no order.")] = 0,
) -> None:
    """Show one version of a table, or a tag."""
    told = asked(ctx)
    reader = reader_of(told)
    tag = _tag(reader, ref)
    if tag is not None:
        _show_tag(tag, told)
        return
    view = reader.look(ref)
    sample = _sample(reader, told, f"{view.table}@{view.version}", rows) if rows else []
    if told.json:
        print_json({"version": view, **({"rows": sample} if rows else {})})
        return
    print_facts(_facts(view))
    if rows:
        print_line("")
        print_table([column.name for column in view.columns], [tuple(row.values()) for row in sample])


def _tag(reader: LakeReader, ref: str) -> Tag | None:
    """Return the tag of that name where it names no table."""
    if "@" in ref:
        return None
    tag = next((tag for tag in reader.tags() if tag.name == ref), None)
    try:
        if tag is not None:
            reader.history(ref, limit=1)
    except (TableNotFoundError, InvalidNameError):
        return tag
    return None


def _show_tag(tag: Tag, told: Asked) -> None:
    if told.json:
        print_json({"tag": tag})
        return
    print_facts({"tag": tag.name, "made": tag.created_at, "author": tag.author, "message": tag.message})
    print_line("")
    held = [(table.name, str(table.version), table.table_id, table.schema_digest) for table in tag.tables]
    print_table(["table", "version", "table id", "schema digest"], held, right=["version"])


def _sample(reader: LakeReader, told: Asked, ref: str, limit: int) -> list[dict[str, Any]]:
    try:
        return reader.rows(ref, limit=limit)
    except UnsupportedReadError:
        return spark_reader_of(told).rows(ref, limit=limit)


def _facts(view: VersionView) -> dict[str, object]:
    facts: dict[str, object] = {"version": f"{view.table}@{view.version}"}
    if view.commit is not None:
        facts |= {
            "when": view.commit.timestamp,
            "operation": view.commit.operation,
            "changed": counted(view.commit),
            "message": view.commit.message,
            "author": view.commit.author,
            "job": view.commit.job,
            "git commit": view.commit.git_commit,
            "run": view.commit.run_id,
            "inputs": view.commit.inputs,
            "undid": view.commit.undid,
        }
    return facts | {
        "tags": view.tags,
        "keys": view.keys,
        "partitioned by": view.partitioned_by,
        "rows": view.rows,
        "files": view.files,
        "bytes": view.size_bytes,
        "columns": tuple(f"{column.name} {column.type}" for column in view.columns),
        "table id": view.table_id,
    }
