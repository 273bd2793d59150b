"""Three-way merge of dicts, written from the rules alone: shares no code with the library."""


def merge(base, ours, theirs, columns, on_conflict=None):
    """Return the merged rows and the conflicts.

    Args:
        base, ours, theirs: Key to dict of column to value.
        columns: The columns.
        on_conflict: "ours" or "theirs".

    Returns:
        Key to row, and a set of (key, column, base, ours, theirs).
    """
    result, conflicts = {}, set()
    for key in base.keys() | ours.keys() | theirs.keys():
        b, o, t = base.get(key), ours.get(key), theirs.get(key)
        row, cells = _row(b, o, t, columns, on_conflict)
        conflicts |= {(key, *cell) for cell in cells}
        if row is not None:
            result[key] = row
    return result, conflicts


def _row(b, o, t, columns, on_conflict):
    if t == b or o == t:
        return o, []
    if o == b:
        return t, []
    if b is None or o is None or t is None:
        three = [({} if side is None else side) for side in (b, o, t)]
        cells = [(c, *[side.get(c) for side in three]) for c in columns]
        told = [cell for cell in cells if cell[2] != cell[3] or (b is not None and cell[1] != cell[2])]
        return (t if on_conflict == "theirs" else o), told
    row, told = {}, []
    for c in columns:
        if t[c] == b[c] or o[c] == t[c]:
            row[c] = o[c]
        elif o[c] == b[c]:
            row[c] = t[c]
        else:
            told.append((c, b[c], o[c], t[c]))
            row[c] = t[c] if on_conflict == "theirs" else o[c]
    return row, told
