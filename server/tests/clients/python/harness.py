"""Job: start the server under test for the tests of the Python clients.

In: RINGLET_SERVER_BINARY (a ringlet-server, or a redis-server to try the tests themselves on).
Out: a Server that answers PING, with its port, unix socket and cluster ports.
Invariant: a server that was started is ended by its own process handle.
"""

import os
import random
import socket
import subprocess
import tempfile
import time

BINARY = os.environ["RINGLET_SERVER_BINARY"]
IS_REDIS = os.path.basename(BINARY).startswith("redis")
SHARDS = 4
START_SECONDS = 20


def free_port(count=1):
    """The first of `count` neighbouring free ports, below those that the kernel gives to clients."""
    while True:
        first = random.randrange(12000, 32000)
        probes = [socket.socket() for _ in range(count)]
        try:
            for offset, probe in enumerate(probes):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", first + offset))
            return first
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()


class Server:
    """One server process. `options` are directives with their values, without dashes; `launcher`
    stands before the program on its command line, and `config_file` behind it."""

    def __init__(self, shard_ports=False, launcher=(), config_file=None, **options):
        self.command = [*launcher, BINARY] + ([config_file] if config_file else [])
        self.directory = tempfile.TemporaryDirectory(prefix="ringlet-clients-")
        self.socket_path = os.path.join(self.directory.name, "server.sock")
        self.port = free_port()
        self.options = {key.replace("_", "-"): str(value) for key, value in options.items()}
        self.options["unixsocket"] = self.socket_path
        self.shard_ports = None
        if not IS_REDIS:
            self.options["shards"] = str(SHARDS)
            if shard_ports:
                self.shard_ports = free_port(SHARDS)
                self.options["shard-ports"] = str(self.shard_ports)
        self.process = None
        self.start()

    def start(self):
        """Starts the process on the same ports as before."""
        arguments = [*self.command, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        for name, value in self.options.items():
            arguments += ["--" + name, value]
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended at once: {self.process.returncode}")
            if time.monotonic() > deadline:
                raise RuntimeError("the server does not answer")
            time.sleep(0.005)

    def answers(self):
        """True when PING gets any reply."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as probe:
                probe.sendall(b"PING\r\n")
                return probe.recv(64)[:1] in (b"+", b"-")
        except OSError:
            return False

    def stop(self):
        """Ends the process in an orderly way; gives its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=20)

    def close(self):
        """Ends the process if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.directory.cleanup()
