"""Which tables a SQL query reads, and the query with those names replaced. Pure text; no Spark. Start at `tables_in`.

Only what stands where a table can stand counts: after FROM or JOIN, or after a comma of such a list. A name with a dot
is a table's; one without is a common table expression of the query, or refused by who asks.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"(?P<skip>\s+|--[^\n]*|/\*.*?\*/|'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<name>(?:`(?:[^`]|``)+`|[^\W\d]\w*)(?:\s*\.\s*(?:`(?:[^`]|``)+`|\w+))*(?:@[\w.:+\-]*\w)?)"
    r"|(?P<sign>.)",
    re.DOTALL,
)
_PART = re.compile(r"`((?:[^`]|``)+)`|([^.@\s]+)")
# fmt: off
_ENDS_TABLES = frozenset([
    "where", "group", "order", "having", "on", "using", "select", "union", "intersect", "except", "minus", "limit",
    "offset", "window", "lateral", "qualify", "cluster", "distribute", "sort", "tablesample", "pivot", "unpivot",
])
ENDS_A_TABLE = _ENDS_TABLES | frozenset([
    "join", "inner", "left", "right", "full", "cross", "semi", "anti", "natural",
])
"""Keywords that can follow a table's name, and so aren't its alias."""
# fmt: on


@dataclass(frozen=True, slots=True)
class TableMention:
    """A place of a query where a table is named.

    Attributes:
        name: The name, quotes taken away: ``raw.arrivals``, maybe with ``@`` and a version, tag or moment.
        start: Where it begins in the text.
        end: Where it ends.
    """

    name: str
    start: int
    end: int


def tables_in(query: str) -> list[TableMention]:
    """Return where a query names tables, in order; its common table expressions are left out.

    >>> [mention.name for mention in tables_in("select * from raw.arrivals a join raw.planes@7 using (tailnum)")]
    ['raw.arrivals', 'raw.planes@7']
    """
    reader = _Reader()
    for match in _TOKEN.finditer(query):
        if match.lastgroup == "name":
            reader.name(match[0], match.start(), match.end())
        elif match.lastgroup == "sign":
            reader.sign(match[0])
        elif match[0][0] in "'\"":
            reader.sign("''")
    named = {name.lower() for name in reader.expressions}
    return [mention for mention in reader.settled() if mention.name.lower() not in named]


def with_tables(query: str, mentions: Sequence[TableMention], spelled: Callable[[TableMention], str]) -> str:
    """Return a query with each mention spelled otherwise; braces outside of them are doubled."""
    parts, place = [], 0
    for mention in mentions:
        parts += [_doubled(query[place : mention.start]), spelled(mention)]
        place = mention.end
    return "".join([*parts, _doubled(query[place:])])


@dataclass
class _Depth:
    """What is known of one level of parentheses."""

    has_select: bool = False
    in_tables: bool = False
    wants_table: bool = False


@dataclass
class _Reader:
    """Goes through the tokens of a query once."""

    mentions: list[TableMention] = field(default_factory=list)
    expressions: list[str] = field(default_factory=list)
    depths: list[_Depth] = field(default_factory=lambda: [_Depth()])
    before: str = ""
    pending: TableMention | None = None
    maybe_expression: str = ""

    def name(self, text: str, start: int, end: int) -> None:
        """Take in a name or keyword."""
        word, depth = text.lower(), self.depths[-1]
        self.settle()
        if word == "select":
            depth.has_select, depth.in_tables, depth.wants_table = True, False, False
        elif (word == "from" and depth.has_select and self.before != "distinct") or word == "join":
            depth.in_tables = depth.wants_table = True
        elif word in _ENDS_TABLES:
            depth.in_tables = depth.wants_table = False
        elif word == "as" and self.maybe_expression:
            self.before = "expression as"
            return
        elif depth.wants_table and word not in ("lateral", "only"):
            self.pending = TableMention(_plain(text), start, end)
            depth.wants_table = False
        self.maybe_expression = _plain(text) if self.before in ("with", ",", "recursive") else ""
        self.before = word

    def sign(self, text: str) -> None:
        """Take in anything else: punctuation, a number, a text."""
        depth = self.depths[-1]
        if text == "(":
            if self.before == "expression as":
                self.expressions.append(self.maybe_expression)
            # A name before a parenthesis is a function, whose result is the table.
            self.pending = None
            depth.wants_table = False
            self.depths.append(_Depth())
        elif text == ")" and len(self.depths) > 1:
            self.settle()
            self.depths.pop()
        elif text == ",":
            self.settle()
            depth.wants_table = depth.in_tables
        if text not in "()" or self.before != "expression as":
            self.before = text

    def settle(self) -> None:
        """Take the name that came last for a table's."""
        if self.pending is not None:
            self.mentions.append(self.pending)
            self.pending = None

    def settled(self) -> list[TableMention]:
        """Return all mentions, at the end of the query."""
        self.settle()
        return self.mentions


def _plain(text: str) -> str:
    name, sign, at = text.partition("@") if not text.endswith("`") else (text, "", "")
    parts = [ticked.replace("``", "`") or plain for ticked, plain in _PART.findall(name)]
    return ".".join(parts) + sign + at


def _doubled(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
