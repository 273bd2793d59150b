"""Merges and transactions over two tables, one with keys and one without: rows that come twice are seen there."""

SCHEMA = "id int, n int"
TABLES = ("raw.keyed", "raw.keyless")


class Publishing:
    """Publishes to both tables by a transaction, then by a branch, in every step."""

    seconds = 9.0

    def prepare(self, lake):
        lake.table("raw.keyed").create(SCHEMA, keys=["id"], message="start")
        lake.table("raw.keyless").create(SCHEMA, message="start")

    def acts(self):
        return [("transact", self.transact), ("merge", self.merge)]

    def transact(self, lake, step):
        rows = lake.spark.createDataFrame([(2 * step, step)], SCHEMA)
        with lake.transact(TABLES, message=f"transact {step}") as tx:
            for name in TABLES:
                tx.table(name).append(rows, message=f"step {step}")

    def merge(self, lake, step):
        rows = lake.spark.createDataFrame([(2 * step + 1, step)], SCHEMA)
        branch = lake.branch(f"work-{step}", TABLES)
        for name in TABLES:
            branch.table(name).append(rows, message=f"step {step}")
        branch.merge(message=f"merge {step}")
        branch.discard()

    def again(self, lake, step):
        # The lake was opened before the kill: what is half-way published it sees nothing of, and nobody has finished.
        seen = _ids(lake)
        later = type(lake)(lake.spark, root=lake.location(TABLES[0]).rsplit("/", 2)[0])
        assert seen <= _ids(later) <= seen | {2 * step, 2 * step + 1}
        for branch in later.branches():
            branch.discard()
        for number, act in ((2 * step, self.transact), (2 * step + 1, self.merge)):
            if number not in _ids(later):
                act(later, step)

    def check(self, lake, steps):
        assert _ids(lake) == set(range(2 * steps))
        for name in TABLES:
            table = lake.table(name)
            assert table.read().count() == 2 * steps
            assert table.version == 2 * steps
        assert lake.branches() == []


def _ids(lake):
    """Return the ids that both tables hold; that one held more would be a part of a publication."""
    keyed, keyless = ({row.id for row in lake.table(name).read().collect()} for name in TABLES)
    assert keyed == keyless
    return keyed
