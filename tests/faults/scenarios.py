"""What workers do until they are killed, and what must hold afterwards. A further scenario is one class and one entry.

A scenario has ``seconds``, within which a worker is killed once it has begun an act; ``prepare(lake)``; ``acts()``, the
acts of one step in order; ``look(lake)``, which raises AssertionError where readers see a part of what belongs
together, before anybody has put anything right; ``again(lake, step)``, which completes a step that was interrupted; and
``check(lake, steps)``, which raises AssertionError unless exactly the first so many steps are in.
"""

from contextlib import suppress

from lakehouse import Lakehouse
from lakehouse.errors import BranchNotFoundError, TagExistsError

_ROWS = 5


class Upkeep:
    """Appends a batch once, gives a table a new state, tags it now and then, and cleans up, in every step."""

    seconds = 4.0

    def prepare(self, lake):
        lake.table("raw.events").create("id bigint, step bigint", keys=["id"], message="start")
        lake.table("raw.state").create("step bigint", message="start")

    def acts(self):
        return [("append_once", self.append), ("overwrite", self.overwrite), ("tag", self.tag), ("gc", self.gc)]

    def look(self, lake):
        for name in lake.tables():
            lake.table(name).read().collect()

    def again(self, lake, step):
        for _, act in self.acts():
            act(lake, step)

    def append(self, lake, step):
        rows = [(step * _ROWS + place, step) for place in range(_ROWS)]
        lake.table("raw.events").append_once(
            lake.spark.createDataFrame(rows, "id bigint, step bigint"), message=f"step {step}"
        )

    def overwrite(self, lake, step):
        rows = lake.spark.createDataFrame([(step,)] * _ROWS, "step bigint").coalesce(1)
        lake.table("raw.state").overwrite(rows, message=f"step {step}")

    def tag(self, lake, step):
        # It may have been made just before the worker died.
        with suppress(TagExistsError):
            lake.tag(f"step-{step}", ["raw.state", "raw.events"], message=f"step {step}")

    def gc(self, lake, step):
        for old in [tag for tag in lake.tags() if int(tag.name.split("-")[1]) < step - 3]:
            lake.untag(old.name, message="old")
        lake.gc(keep="0d", dry_run=False)

    def check(self, lake, steps):
        events = lake.table("raw.events").read().groupBy("step").count().collect()
        assert sorted(tuple(row) for row in events) == [(step, _ROWS) for step in range(steps)]
        assert [row.step for row in lake.table("raw.state").read().collect()] == [steps - 1] * _ROWS
        names = {tag.name for tag in lake.tags()}
        assert names == {f"step-{step}" for step in range(max(0, steps - 4), steps)}
        for name in names:
            step = int(name.split("-")[1])
            assert [row.step for row in lake.read(f"raw.state@{name}").collect()] == [step] * _ROWS
            assert lake.read(f"raw.events@{name}").count() == (step + 1) * _ROWS
        assert not lake.doctor().errors


class Publishing:
    """Merges into a table, then writes two in a transaction, then two on a branch that is merged, in every step."""

    seconds = 10.0
    tables = ("raw.one", "raw.two")

    def prepare(self, lake):
        for name in ("raw.sums", *self.tables):
            lake.table(name).create("id bigint, step bigint", keys=["id"], message="start")

    def acts(self):
        return [("merge", self.merge), ("transact", self.transact), ("branch", self.branch)]

    def look(self, lake):
        # As a reader who had the lake open before, and mends nothing.
        view = lake.at("main")
        one, two = (sorted(tuple(row) for row in view.table(name).read().collect()) for name in self.tables)
        assert one == two

    def again(self, lake, step):
        # The next opener finishes, or takes back, what was left half-way.
        later = Lakehouse(lake.spark, root=lake.location("raw.one").removesuffix("/raw/one"))
        for _, act in self.acts():
            act(later, step)

    def merge(self, lake, step):
        # One row that every step changes, and a new one.
        rows = lake.spark.createDataFrame([(-1, step), (step, step)], "id bigint, step bigint")
        lake.table("raw.sums").merge(rows, message=f"step {step}")

    def transact(self, lake, step):
        with lake.transact(self.tables, message=f"step {step}") as tx:
            self._write(tx, lake.spark, 2 * step)

    def branch(self, lake, step):
        name = f"step {step}"
        with suppress(BranchNotFoundError):
            lake.get_branch(name).discard()
        branch = lake.branch(name, self.tables)
        self._write(branch, lake.spark, 2 * step + 1)
        branch.merge(message=name)
        branch.discard()

    def _write(self, place, spark, number):
        rows = [(number * _ROWS + row, number) for row in range(_ROWS)]
        for name in self.tables:
            place.table(name).append_once(spark.createDataFrame(rows, "id bigint, step bigint"), message=f"{number}")

    def check(self, lake, steps):
        sums = sorted(tuple(row) for row in lake.table("raw.sums").read().collect())
        assert sums == [(-1, steps - 1), *[(step, step) for step in range(steps)]]
        for name in self.tables:
            found = lake.table(name).read().groupBy("step").count().collect()
            assert sorted(tuple(row) for row in found) == [(number, _ROWS) for number in range(2 * steps)]
        assert lake.branches() == []
        assert not lake.doctor().errors


SCENARIOS = {"upkeep": Upkeep, "publishing": Publishing}
