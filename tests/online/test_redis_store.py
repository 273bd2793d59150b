"""What Redis does beyond what every store does: passwords, TLS, a server that dies, forgets or drops keys, expiry."""

import subprocess
import time
from datetime import timedelta

import pytest
import redis

from lakehouse.errors import FeatureNotFoundError, OnlineStoreError
from lakehouse.features import FeatureService
from lakehouse.online import OnlineReader, open_store
from lakehouse.online.redis_address import RedisAddress
from lakehouse.online.stores import shown
from tests.online.materialized import ARRIVALS, START, delays, materialize
from tests.online.redis_server import BINARY, MISSING, RedisServer

SERVICE = FeatureService("s", [delays()])
EVENTS = {"delays": ARRIVALS}
UA = [{"carrier": "UA"}]


@pytest.fixture
def serve(tmp_path):
    if BINARY is None:
        pytest.skip(MISSING)
    started = []

    def start(*options):
        started.append(RedisServer(tmp_path, *options))
        return started[-1]

    yield start
    for server in started:
        server.kill()


def flights(reader):
    return reader.get_online_features("s", UA, START).to_dict()["flights"]


def test_a_server_that_is_killed_is_told_and_found_again_without_a_restart_of_ours(serve):
    server = serve("--appendonly", "yes", "--appendfsync", "always")
    uri = server.uri()
    materialize(uri, SERVICE, EVENTS)
    reader, writer = OnlineReader(uri), open_store(uri, writable=True)
    assert flights(reader) == [2]
    server.kill()
    for attempt in (lambda: flights(reader), writer.metadata, lambda: list(writer.scan(1)), lambda: open_store(uri)):
        began = time.monotonic()
        with pytest.raises(OnlineStoreError, match=r"redis://127.0.0.1.* can't be reached.* tried again"):
            attempt()
        assert time.monotonic() - began < 2
    for attempt in (lambda: writer.put_many(1, [(b"a", b"x")]), lambda: writer.change_metadata(dict)):
        with pytest.raises(OnlineStoreError, match="can't be reached"):
            attempt()
    server.start()
    assert flights(reader) == [2]
    materialize(uri, SERVICE, EVENTS)
    assert flights(reader) == [2]


def test_a_server_that_lost_everything_gives_an_error_and_never_a_count_of_zero(serve):
    server = serve()
    materialize(server.uri(), SERVICE, EVENTS)
    reader = OnlineReader(server.uri())
    assert flights(reader) == [2]
    server.kill()
    server.start()
    with pytest.raises(FeatureNotFoundError, match="no feature service 's'"):
        flights(reader)
    materialize(server.uri(), SERVICE, EVENTS)
    assert flights(reader) == [2]


def test_a_password_comes_from_the_uri_or_the_environment_and_is_never_shown(serve, monkeypatch):
    server = serve("--requirepass", "s3cret@/")
    uri = server.uri(secret=":s3cret%40%2F@")
    materialize(uri, SERVICE, EVENTS)
    with OnlineReader(uri) as reader:
        assert flights(reader) == [2]
        assert "s3cret" not in repr(reader) + repr(reader.store) + reader.store.uri
        with pytest.raises(FeatureNotFoundError) as caught:
            reader.get_online_features("nothing", UA)
        assert "s3cret" not in str(caught.value)
    for wrong in (server.uri(), server.uri(secret=":s3cretive@")):
        with pytest.raises(OnlineStoreError, match=r"refused us.* LAKEHOUSE_REDIS_PASSWORD") as caught:
            open_store(wrong)
        assert "s3cret" not in str(caught.value)
    monkeypatch.setenv("LAKEHOUSE_REDIS_PASSWORD", "s3cret@/")
    with open_store(server.uri()) as store:
        elsewhere = store.place
        assert "s3cret" not in store.uri
    monkeypatch.delenv("LAKEHOUSE_REDIS_PASSWORD")
    open_store(elsewhere).close()


def test_tls_checks_the_certificate_of_the_server(serve, tmp_path):
    subprocess.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out ca.pem -days 2 -subj /CN=127.0.0.1"
        " -addext subjectAltName=IP:127.0.0.1",
        shell=True, cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    files = [f"{tmp_path}/ca.pem", f"{tmp_path}/key.pem"]
    server = serve(
        "--tls-cert-file", files[0], "--tls-key-file", files[1], "--tls-ca-cert-file", files[0],
        "--tls-auth-clients", "no",
    )  # fmt: skip
    trusted = server.uri(scheme="rediss", options=f"&ssl_ca_certs={files[0]}")
    materialize(trusted, SERVICE, EVENTS)
    with OnlineReader(trusted) as reader:
        assert flights(reader) == [2]
    with pytest.raises(OnlineStoreError, match="certificate verify failed"):
        open_store(server.uri(scheme="rediss"))


def test_a_server_that_drops_keys_by_itself_is_refused(serve):
    server = serve("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with pytest.raises(OnlineStoreError, match=r"maxmemory-policy allkeys-lru.* noeviction"):
        open_store(server.uri(), writable=True)
    redis.Redis(host="127.0.0.1", port=server.port).config_set("maxmemory-policy", "volatile-ttl")
    open_store(server.uri(), writable=True).close()
    with pytest.raises(OnlineStoreError, match="volatile-ttl"):
        open_store(server.uri(options="&expire=1d"), writable=True)


def test_records_of_a_generation_expire_together_and_read_stale_before(redis_server, monkeypatch):
    uri = redis_server.uri("expiring", options="&expire=30d")
    materialize(uri, SERVICE, EVENTS)
    client = redis.Redis(host="127.0.0.1", port=redis_server.port)
    left = [client.ttl(key) for key in client.keys(b"{lakehouse:expiring}:1:*")]
    assert len(left) == 2
    assert all(30 * 86_400 < seconds <= 30 * 86_400 + 3_600 for seconds in left)
    assert client.ttl(b"{lakehouse:expiring}:document") == -1
    with OnlineReader(uri) as reader:
        assert flights(reader) == [2]
        now = time.time_ns()
        monkeypatch.setattr(time, "time_ns", lambda: now + 30 * 86_400 * 10**9)
        for rows in (UA, [{"carrier": "XX"}]):
            found = reader.get_online_features("s", rows, START + timedelta(hours=1))
            assert found.statuses == {"delay_sum_3h": ["STALE"], "flights": ["STALE"]}
            assert found.to_dict()["flights"] == [None]


def test_two_stores_on_one_server_know_nothing_of_each_other(redis_server):
    one, other = redis_server.uri("one.a"), redis_server.uri("one-a")
    materialize(one, SERVICE, EVENTS)
    with pytest.raises(OnlineStoreError, match="there is none on that server"):
        open_store(other)
    with open_store(other, writable=True) as store:
        assert store.metadata() == (0, {})


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("redis://", "names no host"),
        ("redis://host/first", "number of a database"),
        ("redis://host:port/0", "names no host, port"),
        ("redis://:p@ss/word@host/0", r"redis://\*\*\*@host/0"),
        ("redis://host?nmae=x", "no option 'nmae'. Did you mean name"),
        ("redis://host?name={x}", "is not of letters"),
        ("redis://host?expire=soon", "expire='soon' is not a length of time"),
        ("redis://host?socket_timeout=-1", "not a number of seconds"),
        ("redis://host?ssl_ca_certs=/x", "is for TLS"),
        ("rediz://:p@ss@host", r"redi[sz]+://\*\*\*@host"),
    ],
)
def test_a_uri_that_cannot_be_read_is_refused_without_its_password(uri, problem):
    with pytest.raises(OnlineStoreError, match=problem) as caught:
        open_store(uri)
    assert "p@ss" not in str(caught.value)


def test_what_a_uri_says(monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_REDIS_USERNAME", "ada")
    found = RedisAddress.of("rediss://:p%40@host:6380/3?name=shop&expire=1d")
    assert found.settings["username"] == "ada"
    assert (found.settings["password"], found.settings["port"], found.settings["db"]) == ("p@", 6380, 3)
    assert found.settings["ssl"]
    assert (found.prefix, found.lifetime_us) == (b"{lakehouse:shop}:", 86_400_000_000)
    assert RedisAddress.of(found.place).settings == found.settings
    assert shown(found.place) == "rediss://***@host:6380/3?name=shop&expire=1d"
