"""Job: the blocking client of redis-py against the server.

In: a server of the harness. Out: unittest results.
Invariant: each test empties the server first and leaves no thread behind.
"""

import threading
import time
import unittest

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from harness import Server

LARGE_BYTES = 64 * 1024 * 1024


class SyncTest(unittest.TestCase):
    """What programs do with redis.Redis, in both protocol versions."""

    protocol = 2

    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def setUp(self):
        self.client = self.connect()
        self.client.flushall()

    def tearDown(self):
        self.client.close()

    def connect(self, **options):
        return redis.Redis(port=self.server.port, protocol=self.protocol, **options)

    def test_values_of_all_types(self):
        client = self.client
        self.assertTrue(client.set("string", b"\x00\xff\r\n"))
        self.assertEqual(client.get("string"), b"\x00\xff\r\n")
        self.assertIsNone(client.get("missing"))
        self.assertEqual(client.rpush("list", "a", "b", "c"), 3)
        self.assertEqual(client.lrange("list", 0, -1), [b"a", b"b", b"c"])
        self.assertEqual(client.hset("hash", mapping={"f": 1, "g": "two"}), 2)
        self.assertEqual(client.hgetall("hash"), {b"f": b"1", b"g": b"two"})
        self.assertEqual(client.sadd("set", "x", "y"), 2)
        self.assertEqual(client.smembers("set"), {b"x", b"y"})
        self.assertEqual(client.zadd("sorted", {"one": 1, "half": 0.5}), 2)
        pairs = [tuple(pair) for pair in client.zrange("sorted", 0, -1, withscores=True)]
        self.assertEqual(pairs, [(b"half", 0.5), (b"one", 1.0)])
        self.assertEqual(client.zscore("sorted", "half"), 0.5)
        types = [client.type(key) for key in ("string", "list", "hash", "set", "sorted", "missing")]
        self.assertEqual(types, [b"string", b"list", b"hash", b"set", b"zset", b"none"])

    def test_errors_are_raised_and_harm_nothing(self):
        self.client.set("string", "x")
        with self.assertRaisesRegex(redis.ResponseError, "WRONGTYPE"):
            self.client.lpush("string", "y")
        with self.assertRaisesRegex(redis.ResponseError, "unknown command"):
            self.client.execute_command("NOSUCHCOMMAND", "a")
        with self.assertRaisesRegex(redis.ResponseError, "not an integer"):
            self.client.incr("string")
        self.assertEqual(self.client.get("string"), b"x")

    def test_pipeline_without_transaction(self):
        pipeline = self.client.pipeline(transaction=False)
        for number in range(5000):
            pipeline.set(f"key:{number}", number)
            pipeline.get(f"key:{number}")
        replies = pipeline.execute()
        self.assertEqual(replies[1::2], [str(number).encode() for number in range(5000)])
        self.assertEqual(self.client.dbsize(), 5000)

    def test_transaction(self):
        pipeline = self.client.pipeline()
        for number in range(50):
            pipeline.incr(f"counter:{number % 10}")
        pipeline.mget([f"counter:{number}" for number in range(10)])
        self.assertEqual(pipeline.execute()[-1], [b"5"] * 10)

    def test_transaction_with_an_error_keeps_the_rest(self):
        self.client.set("string", "x")
        pipeline = self.client.pipeline()
        pipeline.set("before", 1)
        pipeline.lpush("string", "y")
        pipeline.set("after", 2)
        replies = pipeline.execute(raise_on_error=False)
        self.assertIsInstance(replies[1], redis.ResponseError)
        self.assertEqual(self.client.mget("before", "after"), [b"1", b"2"])

    def test_watch_notices_a_change(self):
        self.client.set("watched", 1)
        with self.client.pipeline() as pipeline:
            pipeline.watch("watched")
            self.client.set("watched", 2)
            pipeline.multi()
            pipeline.set("result", "written")
            with self.assertRaises(redis.WatchError):
                pipeline.execute()
        self.assertIsNone(self.client.get("result"))

    def test_watch_retry_loops_lose_no_increment(self):
        keys = ["left", "right:elsewhere"]
        self.client.mset({key: 0 for key in keys})
        threads_count, rounds = 4, 100

        def increment(pipeline):
            numbers = [int(value) for value in pipeline.mget(keys)]
            pipeline.multi()
            for key, number in zip(keys, numbers):
                pipeline.set(key, number + 1)

        def work():
            client = self.connect()
            for _ in range(rounds):
                client.transaction(increment, *keys)
            client.close()

        run_threads([threading.Thread(target=work) for _ in range(threads_count)])
        expected = str(threads_count * rounds).encode()
        self.assertEqual(self.client.mget(keys), [expected, expected])

    def test_blocking_pop_is_woken(self):
        got = []

        def wait():
            client = self.connect()
            got.append(client.blpop(["first", "second"], timeout=20))
            client.close()

        thread = threading.Thread(target=wait)
        thread.start()
        wait_until(lambda: self.client.info("clients")["blocked_clients"] == 1)
        self.client.rpush("second", "value")
        thread.join(20)
        self.assertEqual([tuple(pair) for pair in got], [(b"second", b"value")])

    def test_blocking_pop_times_out(self):
        start = time.monotonic()
        self.assertIsNone(self.client.blpop("nothing", timeout=0.3))
        elapsed = time.monotonic() - start
        self.assertGreaterEqual(elapsed, 0.29)
        self.assertLess(elapsed, 5)

    def test_blocked_clients_are_served_in_order(self):
        clients = [self.connect() for _ in range(5)]
        connections = []
        for position, client in enumerate(clients):
            connection = client.connection_pool.get_connection()
            connection.send_command("BLPOP", "queue", "0")
            connections.append((client, connection))
            wait_until(lambda: self.client.info("clients")["blocked_clients"] == position + 1)
        self.client.rpush("queue", *range(5))
        for position, (client, connection) in enumerate(connections):
            self.assertEqual(connection.read_response(), [b"queue", str(position).encode()])
            client.connection_pool.release(connection)
            client.close()

    def test_publish_and_subscribe(self):
        listener = self.connect().pubsub(ignore_subscribe_messages=False)
        listener.subscribe("news")
        listener.psubscribe("s*")
        kinds = [next_message(listener)["type"] for _ in range(2)]
        self.assertEqual(kinds, ["subscribe", "psubscribe"])
        self.assertEqual(self.client.publish("news", "one"), 1)
        self.assertEqual(self.client.publish("sport", "two"), 1)
        self.assertEqual(self.client.publish("nobody", "three"), 0)
        message = next_message(listener)
        self.assertEqual((message["channel"], message["data"]), (b"news", b"one"))
        message = next_message(listener)
        self.assertEqual((message["pattern"], message["channel"]), (b"s*", b"sport"))
        self.assertEqual(self.client.pubsub_numsub("news"), [(b"news", 1)])
        listener.unsubscribe()
        self.assertEqual(next_message(listener)["type"], "unsubscribe")
        listener.close()

    def test_large_value(self):
        value = bytes(range(256)) * (LARGE_BYTES // 256)
        client = self.connect(socket_timeout=60)
        client.set("large", value)
        self.assertEqual(client.strlen("large"), LARGE_BYTES)
        self.assertEqual(client.get("large"), value)
        self.assertEqual(client.getrange("large", LARGE_BYTES - 3, -1), value[-3:])
        client.close()

    def test_scan_finds_everything_once_or_more(self):
        pipeline = self.client.pipeline(transaction=False)
        for number in range(3000):
            pipeline.set(f"scan:{number}", number)
            pipeline.hset("hash", f"field:{number}", number)
            pipeline.sadd("set", f"member:{number}")
            pipeline.zadd("sorted", {f"member:{number}": number})
        pipeline.execute()
        keys = set(self.client.scan_iter(match="scan:*", count=100))
        self.assertEqual(len(keys), 3000)
        self.assertEqual(set(self.client.scan_iter(_type="hash")), {b"hash"})
        self.assertEqual(len(dict(self.client.hscan_iter("hash"))), 3000)
        self.assertEqual(len(set(self.client.sscan_iter("set"))), 3000)
        self.assertEqual(len(dict(self.client.zscan_iter("sorted"))), 3000)

    def test_databases_are_apart(self):
        other = self.connect(db=9)
        self.client.set("key", "zero")
        other.set("key", "nine")
        self.assertEqual(self.client.get("key"), b"zero")
        self.client.swapdb(0, 9)
        self.assertEqual(self.client.get("key"), b"nine")
        self.assertEqual(other.get("key"), b"zero")
        other.close()

    def test_expiry(self):
        self.client.set("short", "x", px=150)
        self.client.set("long", "x", ex=1000)
        self.assertTrue(0 < self.client.pttl("short") <= 150)
        wait_until(lambda: self.client.get("short") is None)
        self.assertTrue(990 < self.client.ttl("long") <= 1000)
        wait_until(lambda: self.client.dbsize() == 1)

    def test_killed_client_reconnects(self):
        retry = Retry(ConstantBackoff(0.01), 3)
        victim = self.connect(retry=retry, client_name="victim")
        identity = victim.client_id()
        self.assertEqual(self.client.client_kill_filter(_id=identity), 1)
        self.assertTrue(victim.ping())
        self.assertNotEqual(victim.client_id(), identity)
        victim.close()

    def test_client_list_and_name(self):
        named = self.connect(client_name="the-name")
        named.ping()
        entries = [entry for entry in self.client.client_list() if entry["name"] == "the-name"]
        self.assertEqual(len(entries), 1)
        self.assertEqual(int(entries[0]["id"]), named.client_id())
        named.close()

    def test_unix_socket(self):
        client = redis.Redis(unix_socket_path=self.server.socket_path, protocol=self.protocol)
        client.set("through", "unix")
        self.assertEqual(self.client.get("through"), b"unix")
        client.close()

    def test_administration_can_be_parsed(self):
        client = self.client
        client.set("key", "value")
        information = client.info()
        self.assertEqual(information["db0"]["keys"], 1)
        self.assertGreater(information["used_memory"], 0)
        self.assertIn("redis_version", information)
        self.assertEqual(client.config_get("databases"), {"databases": "16"})
        self.assertTrue(client.config_set("hash-max-listpack-entries", 64))
        self.assertEqual(
            client.config_get("hash-max-listpack-entries"), {"hash-max-listpack-entries": "64"}
        )
        self.assertTrue(client.config_set("hash-max-listpack-entries", 128))
        self.assertIn("get", client.command())
        self.assertEqual(client.object("ENCODING", "key"), b"embstr")
        self.assertGreater(client.memory_usage("key"), 0)
        self.assertIsInstance(client.slowlog_get(), list)
        self.assertEqual(len(client.time()), 2)
        self.assertTrue(client.config_resetstat())

    def test_decoded_responses(self):
        client = self.connect(decode_responses=True)
        client.set("key", "grün")
        self.assertEqual(client.get("key"), "grün")
        client.close()


class SyncResp3Test(SyncTest):
    """The same through RESP3."""

    protocol = 3

    def test_resp3_is_spoken(self):
        self.client.zadd("sorted", {"a": 1.5})
        reply = self.client.execute_command("HELLO", 3)
        proto = reply.get(b"proto", reply.get("proto"))
        self.assertEqual(proto, 3)


class RestartTest(unittest.TestCase):
    """A client that outlives its server."""

    def test_reconnect_after_restart(self):
        server = Server()
        try:
            client = redis.Redis(port=server.port, retry=Retry(ConstantBackoff(0.05), 100))
            client.set("key", "value")
            self.assertEqual(server.stop(), 0)
            server.start()
            self.assertIsNone(client.get("key"))
            self.assertTrue(client.set("key", "again"))
            client.close()
        finally:
            server.close()


class PasswordTest(unittest.TestCase):
    """requirepass."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(requirepass="sesame")

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def test_without_password_nothing_works(self):
        for protocol in (2, 3):
            client = redis.Redis(port=self.server.port, protocol=protocol)
            with self.assertRaises((redis.AuthenticationError, redis.ResponseError)):
                client.get("key")
            client.close()

    def test_wrong_password_is_refused(self):
        for protocol in (2, 3):
            client = redis.Redis(port=self.server.port, protocol=protocol, password="wrong")
            with self.assertRaises(redis.AuthenticationError):
                client.ping()
            client.close()

    def test_right_password_opens(self):
        for protocol in (2, 3):
            for user in (None, "default"):
                client = redis.Redis(
                    port=self.server.port, protocol=protocol, username=user, password="sesame"
                )
                self.assertTrue(client.ping())
                client.close()


def run_threads(threads):
    """Starts all and waits for all."""
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def wait_until(condition, seconds=20):
    """Polls until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        time.sleep(0.005)


def next_message(listener):
    """The next message of a subscriber."""
    message = listener.get_message(timeout=20)
    if message is None:
        raise AssertionError("no message came")
    return message


if __name__ == "__main__":
    unittest.main()
