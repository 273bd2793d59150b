"""A publisher that dies when it has committed raw.a to main and not raw.b."""

from contextlib import contextmanager

import pytest

from lakehouse.versioning import carrying


class Killed(BaseException):
    """Stands for the end of the process: no handler of the library runs."""


@contextmanager
def dying_half_way(monkeypatch):
    land = carrying.Carrier._land

    def dying(self, publication, table, *planned):
        if table.name == "raw.b":
            raise Killed
        return land(self, publication, table, *planned)

    with monkeypatch.context() as patched:
        patched.setattr(carrying.Carrier, "_land", dying)
        with pytest.raises(Killed):
            yield
