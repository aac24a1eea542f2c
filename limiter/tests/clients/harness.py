"""Job: run a limiter for the tests of clients that are not ours.

In: RINGLET_LIMITER_BINARY. Out: a Limiter that is ready, with a port for each protocol.
Invariant: a limiter that was started is ended by its own process handle.
"""

import os
import random
import socket
import subprocess
import tempfile
import threading

BINARY = os.environ["RINGLET_LIMITER_BINARY"]
CORES = 4
START_SECONDS = 20

RULES = """
[rule.login]
limit = 5
window = "1h"
domain = "none"
[rule.user]
algorithm = "fixed-window"
limit = 3
window = "1h"
domain = "api"
descriptor = "user"
key = ["descriptor:user"]
[rule.free]
unlimited = true
domain = "api"
descriptor = "plan=free"
"""


def free_port():
    """A free port, below those that the kernel gives to clients."""
    while True:
        port = random.randrange(12000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Limiter:
    """One process with RULES."""

    def __init__(self):
        self.http, self.resp, self.grpc = free_port(), free_port(), free_port()
        self.directory = tempfile.TemporaryDirectory(prefix="limiter-clients-")
        path = os.path.join(self.directory.name, "limits.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"[global]\ncores = {CORES}\n")
            for protocol in ("http", "resp", "grpc"):
                address = f"127.0.0.1:{getattr(self, protocol)}"
                file.write(f'[[listener]]\nbind = "{address}"\nprotocol = "{protocol}"\n')
            file.write(RULES)
        self.process = subprocess.Popen(
            [BINARY, path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines = []
        self.ready = threading.Event()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        if not self.ready.wait(START_SECONDS) or self.process.poll() is not None:
            self.close()
            raise RuntimeError("the limiter is not ready:\n" + "".join(self.lines))

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line)
            if "ready to accept connections" in line:
                self.ready.set()
        self.ready.set()

    def close(self):
        """Ends the process in an orderly way; gives its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(timeout=60)
        finally:
            self.process.kill()
            self.process.wait()
            self.reader.join()
            self.process.stderr.close()
            self.directory.cleanup()
