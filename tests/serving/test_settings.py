import pytest

from lakehouse.errors import ConfigError, FeatureNotFoundError, OnlineStoreError
from lakehouse.serving import Limits, RequestLogSettings, ServerSettings, create_app
from lakehouse.serving.settings import tokens_of

FINE = {"service": "s", "store": "lmdb:///x"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.com"])
def test_an_address_that_others_can_reach_needs_a_token(host):
    with pytest.raises(ConfigError, match="LAKEHOUSE_SERVING_TOKENS"):
        ServerSettings(**FINE, host=host)
    ServerSettings(**FINE, host=host, tokens=("a-token-that-is-long",))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_none(host):
    ServerSettings(**FINE, host=host)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": "models:/m@champion"}, "tracking"),
        ({"limits": Limits(rows=0)}, "rows"),
        ({"limits": Limits(body_bytes=0)}, "body_bytes"),
        ({"limits": Limits(seconds=0)}, "seconds"),
        ({"reload_seconds": 0}, "greater than 0"),
        ({"tokens": ("short",)}, "shorter than 16"),
        ({"log": RequestLogSettings("lake", share=1.5)}, "1.5"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, told):
    with pytest.raises(ConfigError, match=told):
        ServerSettings(**FINE, **changes)


def test_secrets_are_not_shown():
    settings = ServerSettings("s", "redis://:hidden@host:6379/0", tokens=("a-token-that-is-long",))
    assert "hidden" not in str(settings)
    assert "a-token" not in repr(settings)


def test_tokens_stand_in_the_environment():
    assert tokens_of({"LAKEHOUSE_SERVING_TOKENS": "one, two\nthree"}) == ("one", "two", "three")
    assert tokens_of({}) == ()


def test_what_is_not_there_is_told_before_anything_listens(place):
    with pytest.raises(FeatureNotFoundError, match="flight_delay"):
        create_app(ServerSettings("flight_dely", place))
    with pytest.raises(OnlineStoreError):
        create_app(ServerSettings("s", "lmdb:///nowhere/at/all"))
