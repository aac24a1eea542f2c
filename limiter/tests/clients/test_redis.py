"""Job: redis-py against the limiter's RESP listener.

In: a limiter of the harness. Out: unittest results.
Invariant: each test has keys of its own.
"""

import asyncio
import unittest

import redis
import redis.asyncio

from harness import Limiter


class RedisTest(unittest.TestCase):
    """CL.THROTTLE as redis-cell has it, and rules by name, in both protocol versions."""

    protocol = 2

    @classmethod
    def setUpClass(cls):
        cls.limiter = Limiter()

    @classmethod
    def tearDownClass(cls):
        assert cls.limiter.close() == 0, "".join(cls.limiter.lines)

    def setUp(self):
        self.client = redis.Redis(port=self.limiter.resp, protocol=self.protocol)

    def tearDown(self):
        self.client.close()

    def test_it_looks_like_a_server(self):
        self.assertTrue(self.client.ping())
        self.assertEqual(self.client.echo("text"), b"text")
        self.assertIn("redis_version", self.client.info())

    def test_cl_throttle(self):
        ask = lambda *more: self.client.execute_command("CL.THROTTLE", "a", 2, 1, 3600, *more)
        self.assertEqual(ask(), [0, 3, 2, -1, 3600])
        self.assertEqual(ask(2)[:4], [0, 3, 0, -1])
        refused = ask()
        self.assertEqual(refused[:3], [1, 3, 0])
        self.assertTrue(3590 <= refused[3] <= 3600, refused)
        self.assertTrue(10790 <= refused[4] <= 10800, refused)
        self.assertEqual(ask(4)[:4], [1, 3, 0, -1])
        with self.assertRaisesRegex(redis.ResponseError, "Cell error: Usage"):
            self.client.execute_command("CL.THROTTLE", "a")
        with self.assertRaisesRegex(redis.ResponseError, "Zero rates"):
            self.client.execute_command("CL.THROTTLE", "a", 2, 0, 3600)

    def test_throttle_names_a_rule(self):
        ask = lambda *more: self.client.execute_command("THROTTLE", "login", "b", *more)[:3]
        self.assertEqual(ask(), [0, 5, 4])
        self.assertEqual(ask(3, "PEEK"), [0, 5, 4])
        self.assertEqual(ask(4), [0, 5, 0])
        self.assertEqual(ask(), [1, 5, 0])
        ask(2, "GIVEBACK")
        self.assertEqual(ask(2), [0, 5, 0])
        with self.assertRaisesRegex(redis.ResponseError, "did you mean `login`"):
            self.client.execute_command("THROTTLE", "logi", "b")

    def test_a_pipeline_is_answered_in_order(self):
        pipeline = self.client.pipeline(transaction=False)
        for number in range(600):
            pipeline.execute_command("THROTTLE", "login", f"pipe{number % 100}")
        replies = pipeline.execute()
        for number, reply in enumerate(replies):
            turn = number // 100
            self.assertEqual(reply[:3], [int(turn >= 5), 5, max(4 - turn, 0)], number)

    def test_many_tasks_get_no_more_than_there_is(self):
        async def run():
            client = redis.asyncio.Redis(port=self.limiter.resp, protocol=self.protocol)
            asks = (client.execute_command("THROTTLE", "login", "tasks") for _ in range(100))
            replies = await asyncio.gather(*asks)
            await client.aclose()
            return sum(reply[0] == 0 for reply in replies)

        self.assertEqual(asyncio.run(run()), 5)


class Redis3Test(RedisTest):
    """The same in RESP3."""

    protocol = 3
