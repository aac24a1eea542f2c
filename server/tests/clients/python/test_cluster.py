"""Job: redis-py's cluster client against the ports of the shards.

In: a server of the harness with shard ports. Out: unittest results.
Invariant: the client is unmodified and is never sent to another node while nothing moves.
"""

import threading
import time
import unittest

import redis
from redis.backoff import ConstantBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from harness import IS_REDIS, SHARDS, Server


@unittest.skipIf(IS_REDIS, "a lone redis-server is no cluster")
class ClusterTest(unittest.TestCase):
    """Every shard is a node; the main port serves everything."""

    protocol = 2

    @classmethod
    def setUpClass(cls):
        cls.server = Server(shard_ports=True)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def setUp(self):
        self.main = redis.Redis(port=self.server.port)
        self.main.flushall()
        self.client = self.connect()

    def connect(self, server=None, **options):
        port = (server or self.server).shard_ports
        return RedisCluster(host="127.0.0.1", port=port, protocol=self.protocol, **options)

    def tearDown(self):
        self.client.close()
        self.main.close()

    def test_every_shard_is_a_node(self):
        ports = {node.port for node in self.client.get_primaries()}
        wanted = {self.server.shard_ports + shard for shard in range(SHARDS)}
        self.assertEqual(ports, wanted)

    def test_keys_written_through_nodes_are_seen_on_the_main_port(self):
        for number in range(1000):
            self.client.set(f"key:{number}", number)
        for number in range(1000):
            self.assertEqual(self.main.get(f"key:{number}"), str(number).encode())
        sizes = [
            node.redis_connection.dbsize() if node.redis_connection else None
            for node in self.client.get_primaries()
        ]
        self.assertTrue(sizes)
        self.assertEqual(self.main.dbsize(), 1000)

    def test_all_slots_are_covered_without_overlap(self):
        slots = []
        for first, last, *_ in self.main.execute_command("CLUSTER SLOTS"):
            slots.extend(range(first, last + 1))
        self.assertEqual(sorted(slots), list(range(16384)))

    def test_many_keys_and_hash_tags(self):
        pairs = {f"key:{number}": str(number) for number in range(200)}
        self.client.mset_nonatomic(pairs)
        values = self.client.mget_nonatomic(list(pairs))
        self.assertEqual(values, [value.encode() for value in pairs.values()])
        self.client.mset({"{tag}a": "1", "{tag}b": "2"})
        self.assertEqual(self.client.mget("{tag}a", "{tag}b"), [b"1", b"2"])
        self.assertEqual(self.client.delete(*pairs), 200)

    def test_pipeline(self):
        pipeline = self.client.pipeline()
        for number in range(500):
            pipeline.set(f"key:{number}", number)
            pipeline.get(f"key:{number}")
        replies = pipeline.execute()
        self.assertEqual(replies[1::2], [str(number).encode() for number in range(500)])

    def test_transaction_on_one_slot(self):
        pipeline = self.client.pipeline(transaction=True)
        pipeline.incr("{tag}counter")
        pipeline.incr("{tag}counter")
        self.assertEqual(pipeline.execute(), [1, 2])

    def test_blocking_pops(self):
        popped = self.pop_while(
            lambda: self.client.blpop(["{tag}one", "{tag}two"], timeout=20),
            lambda: self.main.rpush("{tag}two", "value"),
        )
        self.assertEqual(popped, [b"{tag}two", b"value"])
        popped = self.pop_while(
            lambda: self.client.bzpopmax("sorted", timeout=20),
            lambda: self.main.zadd("sorted", {"member": 1.5}),
        )
        self.assertEqual(popped, [b"sorted", b"member", 1.5])
        self.assertIsNone(self.client.brpop("nothing", timeout=0.02))

    def pop_while(self, pop, fill):
        """What `pop` gets, which waits when `fill` is called."""
        popped = []
        waiting = threading.Thread(target=lambda: popped.extend(pop()))
        waiting.start()
        deadline = time.monotonic() + 20
        while self.main.info("clients")["blocked_clients"] != 1:
            self.assertLess(time.monotonic(), deadline, "nobody blocks")
        fill()
        waiting.join(20)
        return popped

    def test_reconnect_after_restart(self):
        server = Server(shard_ports=True)
        try:
            client = self.connect(server, retry=Retry(ConstantBackoff(0.05), 100))
            client.set("key", "value")
            self.assertEqual(server.stop(), 0)
            server.start()
            for number in range(50):
                self.assertIsNone(client.get(f"key:{number}"))
                self.assertTrue(client.set(f"key:{number}", number))
            client.close()
        finally:
            server.close()

    def test_key_slots(self):
        self.main.set("{tag}a", 1)
        self.main.set("{tag}b", 1)
        slot = self.client.keyslot("{tag}a")
        self.assertEqual(self.main.execute_command("CLUSTER KEYSLOT", "{tag}a"), slot)
        self.assertEqual(self.main.execute_command("CLUSTER COUNTKEYSINSLOT", slot), 2)
        keys = self.main.execute_command("CLUSTER GETKEYSINSLOT", slot, 10)
        self.assertEqual(set(keys), {"{tag}a", "{tag}b"})

    def test_scan_over_all_nodes(self):
        self.client.mset_nonatomic({f"key:{number}": "x" for number in range(1000)})
        self.assertEqual(len(set(self.client.scan_iter(count=100))), 1000)

    def test_a_plain_client_is_never_redirected(self):
        for port in [self.server.port] + [self.server.shard_ports + n for n in range(SHARDS)]:
            plain = redis.Redis(port=port)
            for number in range(50):
                plain.set(f"plain:{number}", port)
                self.assertEqual(plain.get(f"plain:{number}"), str(port).encode())
            plain.mset({"one": 1, "two": 2, "three": 3})
            self.assertEqual(plain.mget("one", "two", "three"), [b"1", b"2", b"3"])
            plain.close()


class ClusterResp3Test(ClusterTest):
    """The same through RESP3."""

    protocol = 3

    def test_resp3_is_spoken(self):
        self.client.zadd("sorted", {"a": 1.5})
        self.assertEqual(self.client.zscore("sorted", "a"), 1.5)
        node = self.client.get_redis_connection(self.client.get_random_node())
        reply = node.execute_command("HELLO", 3)
        self.assertEqual(reply.get(b"proto", reply.get("proto")), 3)


if __name__ == "__main__":
    unittest.main()
