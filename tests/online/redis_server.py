"""A real redis-server of the tests' own, on a free loopback port."""

import shutil
import socket
import subprocess
import time

BINARY = shutil.which("redis-server") or shutil.which("valkey-server")
MISSING = "redis-server is not installed: apt-get install redis-server"


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class RedisServer:
    """One server; started again after `kill`, it has what it had, where it was told to keep it."""

    def __init__(self, folder, *options):
        self.folder = folder
        self.port = free_port()
        self.options = options
        self.start()

    def start(self):
        listening = "--tls-port" if "--tls-cert-file" in self.options else "--port"
        options = ["--port", "0", listening, str(self.port), *self.options]
        command = [BINARY, "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "", *options]
        self.process = subprocess.Popen(command, stdout=(self.folder / "log").open("ab"), stderr=subprocess.STDOUT)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.01)
        raise AssertionError("redis-server did not come up")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def uri(self, name="default", secret="", options="", scheme="redis"):
        return f"{scheme}://{secret}127.0.0.1:{self.port}/0?name={name}{options}"
