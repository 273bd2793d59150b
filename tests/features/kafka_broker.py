"""A real Kafka broker of the tests' own, on free loopback ports, from its published Java artefacts."""

import base64
import os
import socket
import subprocess
import time
import uuid
from pathlib import Path

import pyspark

from tests.online.redis_server import free_port

HOME = Path(__file__).resolve().parents[2]
JARS = HOME / ".cache" / "kafka"
MISSING = "Kafka's Java artefacts are not there: .ci/kafka brings them into .cache/kafka"
SPARK_JARS = Path(pyspark.__file__).parent / "jars"
"""Have Scala and a logger, which Spark's resolver leaves out."""
SOURCE = ("spark-sql-kafka-0-10_2.13", "spark-token-provider-kafka-0-10_2.13", "kafka-clients", "commons-pool2")
"""Artefacts of Spark's Kafka source that Spark itself lacks."""

_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/log
num.partitions=1
log.cleaner.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""


def is_there():
    return (JARS / ".coordinates").is_file()


def source_jars():
    """The jars of Spark's Kafka source."""
    found = [jar for name in SOURCE for jar in JARS.glob(f"*_{name}-[0-9]*.jar")]
    assert len(found) == len(SOURCE), found
    return found


class KafkaBroker:
    """One broker that is its own controller; started again after `kill`, it has what it had."""

    def __init__(self, folder):
        self.folder = folder
        self.port, controller = free_port(), free_port()
        self.servers = f"127.0.0.1:{self.port}"
        self.settings = folder / "server.properties"
        self.settings.write_text(_SETTINGS.format(port=self.port, controller=controller, folder=folder))
        # From a zero byte on: an id that began with a dash would be taken for an option.
        cluster = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        self.run("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self.settings))
        self.start()

    def start(self):
        log = (self.folder / "broker.log").open("ab")
        command = self._java("kafka.Kafka", str(self.settings))
        self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                is_coming = self.process.poll() is None and time.monotonic() < until
                assert is_coming, (self.folder / "broker.log").read_text()[-3000:]
                time.sleep(0.05)

    def send(self, topic, lines):
        """Send lines to a topic, in order, and return when the broker has them."""
        text = "".join(f"{line}\n" for line in lines)
        arguments = ["--bootstrap-server", self.servers, "--topic", topic]
        self.run("kafka.tools.ConsoleProducer", *arguments, input=text)

    def run(self, name, *arguments, **options):
        """Run one of Kafka's own tools."""
        done = subprocess.run(
            self._java(name, *arguments), capture_output=True, text=True, timeout=60, check=False, **options
        )
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def _java(self, name, *arguments):
        java = os.path.join(os.environ["JAVA_HOME"], "bin", "java")
        # Short lives: none gains by the optimising compiler.
        options = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        return [java, *options, "-cp", f"{JARS}/*:{SPARK_JARS}/*", name, *arguments]
