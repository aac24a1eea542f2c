"""Job: the asyncio clients of redis-py against the server.

In: a server of the harness. Out: unittest results.
Invariant: each test empties the server first and closes its clients.
"""

import asyncio
import unittest

import redis.asyncio as redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from harness import IS_REDIS, SHARDS, Server


class AsyncioTest(unittest.IsolatedAsyncioTestCase):
    """What programs do with redis.asyncio.Redis."""

    protocol = 2

    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    async def asyncSetUp(self):
        self.client = self.connect()
        await self.client.flushall()

    async def asyncTearDown(self):
        await self.client.aclose()

    def connect(self, **options):
        options.setdefault("max_connections", 1000)
        return redis.Redis(port=self.server.port, protocol=self.protocol, **options)

    async def test_many_at_once(self):
        await asyncio.gather(*(self.client.set(f"key:{n}", n) for n in range(500)))
        values = await asyncio.gather(*(self.client.get(f"key:{n}") for n in range(500)))
        self.assertEqual(values, [str(n).encode() for n in range(500)])

    async def test_pipeline_and_transaction(self):
        for transaction in (False, True):
            async with self.client.pipeline(transaction=transaction) as pipeline:
                for number in range(300):
                    pipeline.rpush(f"list:{number % 7}", number)
                lengths = await pipeline.execute()
            self.assertEqual(len(lengths), 300)
        self.assertEqual(await self.client.llen("list:0"), 86)

    async def test_watch_retry_loops_lose_no_increment(self):
        async def increment():
            async with self.client.pipeline() as pipeline:
                while True:
                    try:
                        await pipeline.watch("counter")
                        number = int(await pipeline.get("counter") or 0)
                        pipeline.multi()
                        pipeline.set("counter", number + 1)
                        await pipeline.execute()
                        return
                    except redis.WatchError:
                        continue

        await asyncio.gather(*(increment() for _ in range(60)))
        self.assertEqual(await self.client.get("counter"), b"60")

    async def test_blocking_pop_is_woken(self):
        waiting = asyncio.create_task(self.client.blpop("queue", timeout=20))
        pusher = self.connect()
        await until_blocked(pusher, 1)
        await pusher.rpush("queue", "value")
        self.assertEqual(list(await waiting), [b"queue", b"value"])
        await pusher.aclose()

    async def test_cancelled_blocking_pop_takes_nothing(self):
        pusher = self.connect()
        waiting = asyncio.create_task(self.client.blpop("queue", timeout=20))
        await until_blocked(pusher, 1)
        waiting.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await waiting
        await until_blocked(pusher, 0)
        await pusher.rpush("queue", "value")
        self.assertEqual(await self.client.lrange("queue", 0, -1), [b"value"])
        await pusher.aclose()

    async def test_publish_and_subscribe(self):
        async with self.client.pubsub(ignore_subscribe_messages=True) as listener:
            await listener.subscribe("channel")
            await listener.psubscribe("chan*")
            while (await self.client.publish("channel", "warm-up")) != 2:
                await asyncio.sleep(0.005)
            for number in range(100):
                await self.client.publish("channel", number)
            seen = []
            async with asyncio.timeout(20):
                while len(seen) < 200:
                    message = await listener.get_message(timeout=5)
                    if message and message["data"] != b"warm-up":
                        seen.append(int(message["data"]))
            self.assertEqual(seen, sorted(list(range(100)) * 2))

    async def test_scan_iter(self):
        await self.client.mset({f"key:{n}": n for n in range(1000)})
        keys = {key async for key in self.client.scan_iter(count=50)}
        self.assertEqual(len(keys), 1000)

    async def test_reconnect_after_kill(self):
        victim = self.connect(retry=Retry(ConstantBackoff(0.01), 3))
        identity = await victim.client_id()
        self.assertEqual(await self.client.client_kill_filter(_id=identity), 1)
        self.assertTrue(await victim.ping())
        self.assertNotEqual(await victim.client_id(), identity)
        await victim.aclose()


class AsyncioResp3Test(AsyncioTest):
    """The same through RESP3."""

    protocol = 3


@unittest.skipIf(IS_REDIS, "a lone redis-server is no cluster")
class AsyncioClusterTest(unittest.IsolatedAsyncioTestCase):
    """redis.asyncio.cluster through the ports of the shards."""

    protocol = 2

    @classmethod
    def setUpClass(cls):
        cls.server = Server(shard_ports=True)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    async def asyncSetUp(self):
        self.client = self.connect()
        await self.client.flushall(target_nodes=RedisCluster.PRIMARIES)

    async def asyncTearDown(self):
        await self.client.aclose()

    def connect(self, server=None, **options):
        port = (server or self.server).shard_ports
        return RedisCluster(host="127.0.0.1", port=port, protocol=self.protocol, **options)

    async def test_many_at_once(self):
        await asyncio.gather(*(self.client.set(f"key:{n}", n) for n in range(300)))
        values = await asyncio.gather(*(self.client.get(f"key:{n}") for n in range(300)))
        self.assertEqual(values, [str(n).encode() for n in range(300)])
        self.assertEqual(len(self.client.get_primaries()), SHARDS)

    async def test_pipeline_over_all_nodes(self):
        pipeline = self.client.pipeline()
        for number in range(300):
            pipeline.set(f"key:{number}", number)
            pipeline.get(f"key:{number}")
        replies = await pipeline.execute()
        self.assertEqual(replies[1::2], [str(number).encode() for number in range(300)])

    async def test_transaction_on_one_slot(self):
        pipeline = self.client.pipeline(transaction=True)
        pipeline.incr("{tag}counter")
        pipeline.incr("{tag}other", 5)
        pipeline.get("{tag}counter")
        self.assertEqual(await pipeline.execute(), [1, 5, b"1"])

    async def test_blocking_pops(self):
        main = redis.Redis(port=self.server.port)
        waiting = asyncio.create_task(self.client.blpop(["{tag}one", "{tag}two"], timeout=20))
        await until_blocked(main, 1)
        other = self.connect()
        await other.rpush("{tag}two", "value")
        await other.aclose()
        self.assertEqual(list(await waiting), [b"{tag}two", b"value"])
        waiting = asyncio.create_task(self.client.bzpopmin("sorted", timeout=20))
        await until_blocked(main, 1)
        await main.zadd("sorted", {"member": 1.5})
        self.assertEqual(list(await waiting), [b"sorted", b"member", 1.5])
        self.assertIsNone(await self.client.brpop("nothing", timeout=0.02))
        await main.aclose()

    async def test_reconnect_after_restart(self):
        server = Server(shard_ports=True)
        try:
            client = self.connect(server, retry=Retry(ConstantBackoff(0.05), 100))
            await client.set("key", "value")
            self.assertEqual(server.stop(), 0)
            server.start()
            for number in range(50):
                self.assertIsNone(await client.get(f"key:{number}"))
                self.assertTrue(await client.set(f"key:{number}", number))
            await client.aclose()
        finally:
            server.close()


class AsyncioClusterResp3Test(AsyncioClusterTest):
    """The same through RESP3."""

    protocol = 3


async def until_blocked(client, count):
    """Waits until the server says that so many clients are blocked."""
    async with asyncio.timeout(20):
        while (await client.info("clients"))["blocked_clients"] != count:
            await asyncio.sleep(0.005)


if __name__ == "__main__":
    unittest.main()
