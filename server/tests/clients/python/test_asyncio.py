"""Job: the asyncio clients of redis-py against the server.

In: a server of the harness. Out: unittest results.
Invariant: each test empties the server first and closes its clients.
"""

import asyncio
import unittest

import redis.asyncio as redis
from redis.asyncio.cluster import RedisCluster

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
        await self.until_blocked(pusher, 1)
        await pusher.rpush("queue", "value")
        self.assertEqual(list(await waiting), [b"queue", b"value"])
        await pusher.aclose()

    async def test_cancelled_blocking_pop_takes_nothing(self):
        pusher = self.connect()
        waiting = asyncio.create_task(self.client.blpop("queue", timeout=20))
        await self.until_blocked(pusher, 1)
        waiting.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await waiting
        await self.until_blocked(pusher, 0)
        await pusher.rpush("queue", "value")
        self.assertEqual(await self.client.lrange("queue", 0, -1), [b"value"])
        await pusher.aclose()

    async def until_blocked(self, client, count):
        async with asyncio.timeout(20):
            while (await client.info("clients"))["blocked_clients"] != count:
                await asyncio.sleep(0.005)

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
        identity = await self.client.client_id()
        other = self.connect()
        await other.client_kill_filter(_id=identity)
        self.assertTrue(await self.client.ping())
        await other.aclose()


class AsyncioResp3Test(AsyncioTest):
    """The same through RESP3."""

    protocol = 3


@unittest.skipIf(IS_REDIS, "a lone redis-server is no cluster")
class AsyncioClusterTest(unittest.IsolatedAsyncioTestCase):
    """redis.asyncio.cluster through the ports of the shards."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(shard_ports=True)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    async def test_cluster(self):
        client = RedisCluster(host="127.0.0.1", port=self.server.shard_ports)
        await client.flushall(target_nodes=RedisCluster.PRIMARIES)
        await asyncio.gather(*(client.set(f"key:{n}", n) for n in range(300)))
        values = await asyncio.gather(*(client.get(f"key:{n}") for n in range(300)))
        self.assertEqual(values, [str(n).encode() for n in range(300)])
        self.assertEqual(len(client.get_primaries()), SHARDS)
        await client.aclose()


if __name__ == "__main__":
    unittest.main()
