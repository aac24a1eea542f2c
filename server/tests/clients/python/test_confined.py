"""Job: the server under the seccomp profile that the deployment page gives to containers.

In: docs/deploy/seccomp.json, a server of the harness. Out: unittest results.
Invariant: a system call that the profile misses ends the server, so it cannot go unnoticed.
"""

import os
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request

import redis

from harness import IS_REDIS, Server, free_port

HERE = os.path.dirname(os.path.abspath(__file__))
PROFILE = os.path.join(HERE, "../../../../docs/deploy/seccomp.json")
LAUNCHER = (sys.executable, os.path.join(HERE, "confined.py"), PROFILE)


@unittest.skipIf(IS_REDIS, "the profile is made for Ringlet")
class ConfinedTest(unittest.TestCase):
    """What a server in a container does."""

    def test_the_server_does_all_its_work_under_the_profile(self):
        """Sockets of each kind, all shards, files and an orderly end."""
        with tempfile.TemporaryDirectory(prefix="ringlet-confined-") as folder:
            config_file = os.path.join(folder, "ringlet.conf")
            with open(config_file, "w", encoding="utf-8") as file:
                file.write("hz 10\n")
            admin = f"127.0.0.1:{free_port()}"
            server = Server(
                launcher=LAUNCHER,
                config_file=config_file,
                admin=admin,
                dir=folder,
                logfile=os.path.join(folder, "ringlet.log"),
                pidfile=os.path.join(folder, "ringlet.pid"),
            )
            try:
                self.work(server, admin)
                self.assertEqual(server.stop(), 0)
                with open(config_file, encoding="utf-8") as file:
                    self.assertIn("hz 20\n", file.read())
            finally:
                server.close()

    def work(self, server, admin):
        """As a program would use it."""
        client = redis.Redis(port=server.port)
        with client.pipeline(transaction=False) as pipeline:
            for number in range(1000):
                pipeline.set(f"key:{number}", number, ex=1000)
            pipeline.execute()
        large = b"x" * (32 << 20)
        client.set("large", large)
        by_path = redis.Redis(unix_socket_path=server.socket_path)
        self.assertEqual(by_path.get("large"), large)
        self.assertEqual(by_path.dbsize(), 1001)
        self.assertIsNone(client.blpop("nothing", timeout=0.1))
        self.assertTrue(client.config_set("hz", 20))
        self.assertTrue(client.config_rewrite())
        self.assertTrue(client.memory_purge())
        self.assertTrue(client.flushall(asynchronous=True))
        for path in ("healthz", "metrics"):
            with urllib.request.urlopen(f"http://{admin}/{path}", timeout=20) as answer:
                self.assertEqual(answer.status, 200)

    def test_what_the_profile_does_not_name_is_refused(self):
        """Or the other test would show nothing."""
        for command, expected in ((["true"], 0), (["chroot", "/"], -signal.SIGSYS)):
            ended = subprocess.run([*LAUNCHER, *command], timeout=20, check=False)
            self.assertEqual(ended.returncode, expected, command)
