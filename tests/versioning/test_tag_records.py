from datetime import datetime, timezone

from lakehouse.refs import TableName, TableVersion
from lakehouse.versioning.tag_records import deleted_tags, live_tags

NOON = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)


def record(event, tables, *, tag="june", generation=0, **more):
    held = [{"name": name, "version": version, "table_id": "x", "schema_digest": "s"} for name, version in tables]
    return {
        "tag": tag,
        "generation": generation,
        "event": event,
        "message": event,
        "author": "ada",
        "created_at": NOON,
        "tables": held,
        **more,
    }


def test_records_of_an_older_release_without_expiry_and_places_are_tags():
    (tag,) = live_tags([record("tag", [("raw.a", 0)])])
    assert (tag.tables, tag.expires_at, tag.stored_as) == ((TableVersion("raw.a", 0, "x", "s"),), None, {})
    assert tag.place_of("raw.a") == TableName("raw", "a")
    assert not tag.is_expired(NOON)


def test_a_redacted_tag_holds_what_its_last_redaction_says_and_stays_what_it_was_else():
    events = [
        record(f"redact {n}", [("raw.a", n)], stored=[{"name": "raw.a", "stored_as": f"_lakehouse.r{n}"}])
        for n in (10, 9, 2)
    ]
    (tag,) = live_tags([*events, record("tag", [("raw.a", 1)], expires_at=NOON)])
    assert (tag.version_of("raw.a"), str(tag.place_of("raw.a"))) == (10, "_lakehouse.r10")
    assert (tag.message, tag.is_expired(NOON)) == ("tag", True)


def test_a_name_may_be_used_again_once_its_tag_is_deleted():
    first = [record("tag", [("raw.a", 1)]), record("untag", [])]
    second = [record("tag", [("raw.a", 2)], generation=1)]
    assert [tag.version_of("raw.a") for tag in live_tags([*second, *first])] == [2]
    assert [tag.version_of("raw.a") for tag in deleted_tags([*second, *first])] == [1]
    assert live_tags(first) == []
