"""What the commit on main says of a merge: why, by whom, and what the branch's rows were made from."""

from collections.abc import Sequence

from lakehouse.refs import TableRef
from lakehouse.tables.context import LakeContext
from lakehouse.tables.history import read_history
from lakehouse.versioning.branch_records import BranchRecord
from lakehouse.versioning.merge_plans import Span


def note_of(
    lake: LakeContext, branch: BranchRecord, span: Span, message: str, commit_id: str, gates: Sequence[str]
) -> str:
    """Return the metadata of the commit that brings *span* to main.

    Its inputs are those of the branch's commits. Tables of the branch itself stand there at their base versions:
    the clones end with the branch.
    """
    held = branch.get(str(span.name))
    bases = {table.clone: f"{table.name}@{table.base_version}" for table in branch.tables}
    commits = read_history(lake, held.clone, limit=span.head - span.base)
    refs = sorted({ref for commit in commits for ref in commit.inputs})
    inputs = [bases.get(TableRef.parse(ref).name, ref) for ref in refs]
    facts: dict[str, object] = {
        "commit_id": commit_id,
        branch.kind: branch.name,
        "merged": f"{held.stored_as}@{span.head}",
        "base": f"{held.name}@{held.base_version}",
    }
    if gates:
        facts["gates"] = list(gates)
    return lake.provenance.note(message, inputs=inputs, facts=facts).text
