"""Online records in Redis or Valkey: one key and one packed value a record. Start at `RedisStore`.

All keys of a store share a hash tag, and so one slot of a cluster: one ``MGET`` then reads records and epoch of one
moment, and one transaction writes records of a generation that is still in use. Source: Redis' documentation of
transactions ("Optimistic locking using check-and-set") and of cluster keys ("Hash tags").
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from lakehouse.errors import OnlineStoreError
from lakehouse.online.redis_address import RedisAddress
from lakehouse.online.stores import Address, Document, OnlineStore, Snapshot, check_namespace

T = TypeVar("T")
Pair = tuple[bytes, bytes]

_PUT = """
if tonumber(redis.call('GET', KEYS[1]) or '0') ~= tonumber(ARGV[1]) then return 0 end
local ends, at = tonumber(ARGV[2]), tonumber(ARGV[3])
local all = at < 0 or redis.call('EXISTS', unpack(KEYS, 2)) == 0
local pairs = {}
for i = 2, #KEYS do
  local record, stays = ARGV[i + 2], false
  if not all then
    local there = redis.call('GETRANGE', KEYS[i], at, at + 7)
    stays = #there == 8 and struct.unpack('>I8', there) > struct.unpack('>I8', record, at + 1)
  end
  if not stays then
    if ends > 0 then
      redis.call('SET', KEYS[i], record, 'PXAT', ends)
    else
      pairs[#pairs + 1] = KEYS[i]
      pairs[#pairs + 1] = record
    end
  end
end
if #pairs > 0 then redis.call('MSET', unpack(pairs)) end
return 1
"""
"""Puts records as one step, if the metadata is still that of an epoch: the fence against writers that were given up."""

_MOST_RECORDS = 1000
_MOST_BYTES = 4 << 20
_TURNS = 1000
_GLOB = frozenset(b"*?[]\\^-")


class RedisStore(OnlineStore):
    """Keeps records on a Redis or Valkey server; threads may share one, and a forked process too.

    Attributes:
        uri: Its address, without a password.
    """

    def __init__(self, address: RedisAddress, *, writable: bool) -> None:
        self.uri = address.shown
        self.lifetime_us = address.lifetime_us
        self._address = address
        self._writable = writable
        self._known: tuple[int, Document] = (0, {})
        # A connection that the server has closed meanwhile is replaced at once; a server that is down is told at once.
        self._client: Any = redis.Redis(**address.settings, retry=Retry(NoBackoff(), 1))
        self._put: Any = self._client.register_script(_PUT)
        self._epoch, self._document = address.prefix + b"epoch", address.prefix + b"document"

    @classmethod
    def open(cls, uri: str, *, writable: bool) -> "RedisStore":
        """Return the store at *uri*; see `OnlineStore.open` and `RedisAddress`.

        Raises:
            OnlineStoreError: The server can't be reached, refuses us, or would drop records by itself; or there is no
                such store and *writable* is false.
        """
        store = cls(RedisAddress.of(uri), writable=writable)
        try:
            store._check_server()
            if not writable and store.metadata()[0] == 0:
                raise store._told("there is none on that server", "Materialize a service into it first")
        except OnlineStoreError:
            store.close()
            raise
        return store

    @property
    def place(self) -> str:
        """What another process opens it by, password included."""
        return self._address.place

    def get_many(self, addresses: Sequence[Address]) -> Snapshot:
        """Return the records at some addresses and the epoch, by one command."""
        start = self._address.prefix
        keys = [b"%b%d:%b" % (start, namespace, key) for namespace, key in addresses]
        try:
            epoch, *records = self._client.mget(self._epoch, *keys)
        except redis.RedisError as error:
            raise self._failed(error) from error
        return Snapshot(int(epoch or 0), records)

    def put_many(self, namespace: int, records: Sequence[Pair], *, version_at: int | None = None) -> None:
        """Write pairs of key and record, in transactions of at most 1,000 records and 4 MB."""
        self._check_writable()
        start = self._start(namespace)
        for batch in _batches(records):
            keys = [start + key for key, _ in batch]
            values = [record for _, record in batch]
            place = -1 if version_at is None else version_at
            if not any(self._put_new(namespace, keys, values) or self._put_over(namespace, keys, values, place)
                       for _ in range(_TURNS)):  # fmt: skip
                raise self._overtaken()

    def _put_new(self, namespace: int, keys: list[bytes], values: list[bytes]) -> bool:
        """Put records of which none is there yet, not by the script, which takes twice as long; return whether done."""
        with self._reached(), self._client.pipeline() as pipe:
            pipe.watch(self._epoch)
            _, ends = self._in_use(namespace)
            if ends or pipe.exists(keys[0]):
                return False
            pipe.multi()
            pipe.msetnx(dict(zip(keys, values, strict=True)))
            try:
                return bool(pipe.execute()[0])
            except redis.WatchError:
                return False

    def _put_over(self, namespace: int, keys: list[bytes], values: list[bytes], place: int) -> bool:
        """Put records where they may be put; return whether done, or the metadata has changed meanwhile."""
        epoch, ends = self._in_use(namespace)
        with self._reached():
            return bool(self._put(keys=[self._epoch, *keys], args=[epoch, ends, place, *values]))

    def delete(self, namespace: int, keys: Sequence[bytes] | None = None) -> None:
        """Delete some keys, or all of a namespace; the server frees their memory beside its other work."""
        self._check_writable()
        start = self._start(namespace)
        with self._reached():
            if keys is not None:
                for first in range(0, len(keys), _MOST_RECORDS):
                    self._client.unlink(*(start + key for key in keys[first : first + _MOST_RECORDS]))
                return
            for found in self._found(start):
                self._client.unlink(*found)

    def scan(self, namespace: int, prefix: bytes = b"") -> Iterator[Pair]:
        """Yield all pairs of a namespace, each key once, in no order; others may write in between."""
        start = self._start(namespace)
        seen: set[bytes] = set()
        with self._reached():
            for found in self._found(start + prefix):
                fresh = [key for key in dict.fromkeys(found) if key not in seen]
                seen.update(fresh)
                values = self._client.mget(fresh) if fresh else []
                yield from ((key[len(start) :], value) for key, value in zip(fresh, values, strict=True) if value)

    def metadata(self) -> tuple[int, Document]:
        """Return the epoch and the metadata, by one command."""
        with self._reached():
            epoch, raw = self._client.mget(self._epoch, self._document)
        return int(epoch or 0), _parsed(raw)

    def change_metadata(self, change: Callable[[Document], Document]) -> Document:
        """Replace the metadata by a function of it, again where another writer was first."""
        self._check_writable()

        def replace(pipe: Any) -> Document:
            pipe.watch(self._epoch, self._document)
            epoch, raw = pipe.mget(self._epoch, self._document)
            document = change(_parsed(raw))
            pipe.multi()
            pipe.mset({self._epoch: _next_epoch(epoch), self._document: json.dumps(document, separators=(",", ":"))})
            pipe.execute()
            return document

        return self._transact(replace)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _start(self, namespace: int) -> bytes:
        return b"%b%d:" % (self._address.prefix, namespace)

    def _in_use(self, namespace: int) -> tuple[int, int]:
        """Return an epoch in which a namespace is in use, and when its records expire in milliseconds, 0 for never."""
        with self._reached():
            epoch = int(self._client.get(self._epoch) or 0)
        if self._known[0] != epoch:
            # While the epoch stands still the metadata is asked for once.
            self._known = self.metadata()
        epoch, document = self._known
        check_namespace(document, namespace, self.uri)
        ends = document.get("ends", {}).get(str(namespace))
        return epoch, 0 if ends is None else ends // 1000 + _GRACE_MS

    def _transact(self, task: Callable[[Any], T]) -> T:
        """Run a task on watched keys until no other writer has come between."""
        for _ in range(_TURNS):
            with self._reached(), self._client.pipeline() as pipe:
                try:
                    return task(pipe)
                except redis.WatchError:
                    continue
        raise self._overtaken()

    def _found(self, start: bytes) -> Iterator[list[bytes]]:
        """Yield the keys that begin with *start*, in parts, some maybe twice."""
        pattern = b"".join(b"\\" + bytes([sign]) if sign in _GLOB else bytes([sign]) for sign in start) + b"*"
        cursor = -1
        while cursor != 0:
            cursor, keys = self._client.scan(max(cursor, 0), match=pattern, count=_MOST_RECORDS)
            if keys:
                yield keys

    def _check_server(self) -> None:
        with self._reached():
            policy = str(self._client.info("memory").get("maxmemory_policy", "noeviction"))
        # A record that the server drops would read as a key never seen: a wrong number.
        if policy.startswith("allkeys") or (policy.startswith("volatile") and self.lifetime_us is not None):
            hint = "Set maxmemory-policy noeviction on it"
            raise self._told(f"the server drops keys when its memory is full (maxmemory-policy {policy})", hint)

    def _check_writable(self) -> None:
        if not self._writable:
            raise self._told("it was opened for reading", "Use open_store(uri, writable=True)")

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except redis.WatchError:
            raise
        except redis.RedisError as error:
            raise self._failed(error) from error

    def _failed(self, error: redis.RedisError) -> OnlineStoreError:
        if isinstance(error, redis.AuthenticationError | redis.exceptions.NoPermissionError):
            hint = "Give user and password in the URI, or as LAKEHOUSE_REDIS_USERNAME and LAKEHOUSE_REDIS_PASSWORD"
            return self._told(f"the server refused us: {error}", hint)
        if isinstance(error, redis.ConnectionError | redis.TimeoutError):
            return self._told(f"the server can't be reached: {error}", "It is tried again with the next call")
        return self._told(f"the server answered: {error}", "See its log, memory and disk")

    def _overtaken(self) -> OnlineStoreError:
        return self._told(f"other writers came first {_TURNS} times", "Let fewer of them write at once")

    def _told(self, problem: str, hint: str) -> OnlineStoreError:
        return OnlineStoreError(f"online store {self.uri!r}", problem, hint)


_GRACE_MS = 3_600_000
"""How long records outlive their generation, so that clocks may differ: readers stop before."""


def _next_epoch(epoch: bytes | None) -> int:
    # Begins with the time: after the server has lost everything, no epoch is one that a reader has planned by.
    return time.time_ns() // 1000 if epoch is None else int(epoch) + 1


def _parsed(raw: bytes | None) -> Document:
    document: Document = {} if raw is None else json.loads(raw)
    return document


def _batches(records: Sequence[Pair]) -> Iterator[list[Pair]]:
    batch: list[Pair] = []
    size = 0
    for item in records:
        batch.append(item)
        size += len(item[1])
        if size >= _MOST_BYTES or len(batch) >= _MOST_RECORDS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
