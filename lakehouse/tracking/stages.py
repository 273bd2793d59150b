"""The four stages of MLflow's older habit, and the aliases that stand for them here. Plain words, nothing else.

| stage | here |
|---|---|
| ``None`` | a version that no alias points at |
| ``Staging`` | the alias ``challenger`` |
| ``Production`` | the alias ``champion`` |
| ``Archived`` | a row of the ledger with action ``archive``: no alias, and passed over by a rollback |
"""

CHAMPION, CHALLENGER, ARCHIVED = "champion", "challenger", "Archived"

_ALIASES = {"Staging": CHALLENGER, "Production": CHAMPION}


def alias_of(to: str) -> str:
    """Return the alias that a stage stands for; any other text is an alias already."""
    return _ALIASES.get(to, to)


def stage_of(aliases: list[str], *, archived: bool = False) -> str:
    """Return the stage of a version by the aliases that point at it."""
    if CHAMPION in aliases:
        return "Production"
    if CHALLENGER in aliases:
        return "Staging"
    return ARCHIVED if archived else "None"
