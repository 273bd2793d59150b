"""What workers do until they are killed, and what must hold afterwards. A further scenario is one class and one entry.

A scenario has ``seconds``, within which a worker is killed; ``prepare(lake)``; ``acts()``, the acts of one step in
order; ``again(lake, step)``, which completes a step that was interrupted; and ``check(lake, steps)``, which raises
AssertionError unless exactly the first so many steps are in.
"""

from contextlib import suppress

from lakehouse.errors import TagExistsError

_ROWS = 5


class Upkeep:
    """Appends a batch once, gives a table a new state, tags it now and then, and cleans up, in every step."""

    seconds = 9.0

    def prepare(self, lake):
        lake.table("raw.events").create("id bigint, step bigint", keys=["id"], message="start")
        lake.table("raw.state").create("step bigint", message="start")

    def acts(self):
        return [("append_once", self.append), ("overwrite", self.overwrite), ("tag", self.tag), ("gc", self.gc)]

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


SCENARIOS = {"upkeep": Upkeep}
