"""Every kind of store, for tests that hold for all of them."""

import time
import uuid

import pytest
import redis

from tests.online.redis_server import BINARY, MISSING, RedisServer, free_port


def _server(folder, *options):
    if BINARY is None:
        pytest.skip(MISSING)
    return RedisServer(folder, *options)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    server = _server(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory):
    """A cluster of one node that has all slots: it refuses commands whose keys lie in more than one."""
    server = _server(tmp_path_factory.mktemp("cluster"), "--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    client = redis.Redis(host="127.0.0.1", port=server.port)
    client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
    for _ in range(1000):
        if client.execute_command("CLUSTER INFO")["cluster_state"] == "ok":
            break
        time.sleep(0.01)
    client.close()
    yield server
    server.kill()


@pytest.fixture(params=["lmdb", "memory", "redis", "cluster"])
def uri(request, tmp_path):
    """A new store of each kind."""
    if request.param == "lmdb":
        return f"lmdb://{tmp_path}/online"
    if request.param == "memory":
        return f"memory://{tmp_path}"
    server = request.getfixturevalue("redis_server" if request.param == "redis" else "redis_cluster")
    return server.uri(uuid.uuid4().hex)
