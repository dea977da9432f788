"""Apache Kafka itself in place of the embedded broker: KRaft nodes run by `java`, their jars fetched by Maven.

Where Java 17, Maven or the jars cannot be had, these tests are skipped and say so.
"""

import fcntl
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from tests.broker.conftest import ROOT, wait_for

POM = ROOT / "deploy" / "kafka" / "pom.xml"
CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"
JAVA = ("java", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker takes them all, so that the broker they share is started once."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("apache-kafka"))


@pytest.fixture(scope="session")
def classpath(run_folder: Path) -> str:
    """The jars of Apache Kafka, from Maven Central or from Maven's own store."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            pytest.skip(f"NOT RUN ON APACHE KAFKA: there is no {program} here")
    listed = run_folder / "kafka-classpath"
    with (run_folder / "kafka-classpath.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not listed.exists():
            found = subprocess.run(
                ["mvn", "--quiet", "--batch-mode", "--file", POM, "dependency:build-classpath",
                 f"-Dmdep.outputFile={listed}"],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
            )  # fmt: skip
            if found.returncode != 0:
                pytest.skip("NOT RUN ON APACHE KAFKA: Maven could not fetch it")
    return listed.read_text()


class Kafka:
    """Nodes that are broker and controller at once, each on ports of its own. What they took outlives `kill`."""

    def __init__(self, folder: Path, classpath: str, nodes: int) -> None:
        self._folder, self._classpath = folder, classpath
        self._ports = [(_free_port(), _free_port()) for _ in range(nodes)]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        for node in range(nodes):
            self._settings(node).parent.mkdir(parents=True)
            self._settings(node).write_text(self._written(node))
        self._format()

    @property
    def address(self) -> str:
        """Where all of them are asked for."""
        return ",".join(f"127.0.0.1:{port}" for port, _ in self._ports)

    def start(self, *nodes: int) -> None:
        """Start these nodes, or all, and wait until the cluster counts each of them."""
        for node in nodes or range(len(self._ports)):
            with (self._settings(node).parent / "log").open("ab") as log:
                self._processes[node] = subprocess.Popen(
                    [*JAVA, "-cp", self._classpath, "kafka.Kafka", self._settings(node)], stdout=log, stderr=log
                )
        wait_for(lambda: self._counted() == set(self._processes), 120)

    def kill(self, *nodes: int) -> None:
        """End these nodes, or all, as a loss of power would."""
        for node in nodes or list(self._processes):
            process = self._processes.pop(node)
            process.kill()
            process.wait()

    def pause(self, node: int) -> None:
        """It answers nobody, and holds its connections."""
        self._processes[node].send_signal(signal.SIGSTOP)

    def resume(self, node: int) -> None:
        """It goes on where it stood."""
        self._processes[node].send_signal(signal.SIGCONT)

    def empty(self) -> None:
        """Take away all that the nodes, which do not run, have kept."""
        for node in range(len(self._ports)):
            shutil.rmtree(self._settings(node).parent / "data")
        self._format()

    def _settings(self, node: int) -> Path:
        return self._folder / f"node-{node}" / "server.properties"

    def _written(self, node: int) -> str:
        port, controller = self._ports[node]
        replicas = min(3, len(self._ports))
        given = {
            "process.roles": "broker,controller",
            "node.id": node,
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{own}" for n, (_, own) in enumerate(self._ports)),
            "log.dirs": self._settings(node).parent / "data",
            "auto.create.topics.enable": "false",
            "min.insync.replicas": max(1, replicas - 1),
            "offsets.topic.num.partitions": 3,
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": max(1, replicas - 1),
            "group.initial.rebalance.delay.ms": 0,
            "broker.session.timeout.ms": 6000,
        }
        return "".join(f"{name}={value}\n" for name, value in given.items())

    def _format(self) -> None:
        for node in range(len(self._ports)):
            subprocess.run(
                [*JAVA, "-cp", self._classpath, "kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER, "--config",
                 self._settings(node)],
                check=True, capture_output=True, timeout=120,
            )  # fmt: skip

    def _counted(self) -> set[int]:
        try:
            admin = KafkaAdminClient(bootstrap_servers=self.address.split(","), bootstrap_timeout_ms=2000)
        except (KafkaError, OSError):
            return set()
        try:
            return {one["broker_id"] for one in admin.describe_cluster()["brokers"] if not one["is_fenced"]}
        except (KafkaError, OSError, RuntimeError):
            return set()
        finally:
            admin.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def shared_kafka(classpath: str, run_folder: Path) -> Iterator[Kafka]:
    """One node that stays up."""
    kafka = Kafka(run_folder / "kafka-shared", classpath, 1)
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.kill()


@pytest.fixture
def shared_broker(shared_kafka: Kafka) -> str:
    """The tests of the embedded broker that are taken over run on Apache Kafka."""
    return shared_kafka.address


@pytest.fixture
def own_kafka(classpath: str, tmp_path: Path) -> Iterator[Kafka]:
    """One node of this test alone, not started."""
    kafka = Kafka(tmp_path, classpath, 1)
    try:
        yield kafka
    finally:
        kafka.kill()


@pytest.fixture
def three_nodes(classpath: str, tmp_path: Path) -> Iterator[Kafka]:
    """Three nodes that hold everything three times, started."""
    kafka = Kafka(tmp_path, classpath, 3)
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.kill()
