"""Job: grpcio against the limiter's gRPC listener: Envoy's rate limit service and the health service.

In: a limiter of the harness. Out: unittest results.
Invariant: messages are bytes that are made and read here, so that no code of ours is on this side.
"""

import unittest

import grpc

from harness import Limiter

SERVICE = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
HEALTH = "/grpc.health.v1.Health/"
OK, OVER_LIMIT = 1, 2
HOUR = 3
WAIT_SECONDS = 20


def varint(number):
    """A number as protobuf writes it."""
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    """A field: text, a message's bytes, or a number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def request(domain, *descriptors, hits=0):
    """A RateLimitRequest with descriptors of (key, value) pairs."""
    out = field(1, domain)
    for pairs in descriptors:
        entries = (field(1, field(1, key) + field(2, value)) for key, value in pairs)
        out += field(2, b"".join(entries))
    return out + (field(3, hits) if hits else b"")


def fields(data):
    """The fields of a message, by their numbers: a list of values each."""
    found = {}
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = number()
        value = number()
        if tag & 7 == 2:
            value, at = data[at : at + value], at + value
        found.setdefault(tag >> 3, []).append(value)
    return found


class GrpcTest(unittest.TestCase):
    """What Envoy does."""

    @classmethod
    def setUpClass(cls):
        cls.limiter = Limiter()

    @classmethod
    def tearDownClass(cls):
        assert cls.limiter.close() == 0, "".join(cls.limiter.lines)

    def setUp(self):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.limiter.grpc}")

    def tearDown(self):
        self.channel.close()

    def call(self, method, message, **options):
        ask = self.channel.unary_unary(method)
        return fields(ask(message, timeout=WAIT_SECONDS, **options))

    def code(self, user, hits=0):
        answer = self.call(SERVICE, request("api", [("user", user)], hits=hits))
        return answer[1][0]

    def test_a_limit(self):
        answer = self.call(SERVICE, request("api", [("user", "ann")]))
        self.assertEqual(answer[1], [OK])
        status = fields(answer[2][0])
        self.assertEqual((status[1], status[3]), ([OK], [2]))
        limit = fields(status[2][0])
        self.assertEqual((limit[1], limit[2]), ([3], [HOUR]))
        until_reset_s = fields(status[4][0])[1][0]
        self.assertTrue(0 < until_reset_s <= 3600, until_reset_s)
        self.assertEqual(self.code("ann", hits=2), OK)
        self.assertEqual(self.code("ann"), OVER_LIMIT)
        self.assertEqual(self.code("bob"), OK)

    def test_each_descriptor_has_a_status(self):
        descriptors = [("nothing", "x")], [("user", "eve")], [("plan", "free")]
        answer = self.call(SERVICE, request("api", *descriptors, hits=4))
        self.assertEqual(answer[1], [OVER_LIMIT])
        statuses = [fields(status) for status in answer[2]]
        self.assertEqual([status[1][0] for status in statuses], [OK, OVER_LIMIT, OK])
        self.assertNotIn(2, statuses[0])
        self.assertEqual(statuses[2][3], [2**32 - 1])

    def test_an_unknown_domain_is_let_through(self):
        self.assertEqual(self.call(SERVICE, request("nowhere", [("user", "ann")]))[1], [OK])

    def test_requests_that_cannot_be_meant(self):
        wrong = {
            "no domain": request("", [("user", "ann")]),
            "no descriptors": request("api"),
            "no protobuf": b"\xff\xff",
            "a field that is cut off": request("api", [("user", "ann")])[:-2],
            "a large descriptor": request("api", [("user", "x" * 5000)]),
        }
        for name, message in wrong.items():
            with self.subTest(name), self.assertRaises(grpc.RpcError) as raised:
                self.call(SERVICE, message)
            # Envoy takes UNKNOWN as leave to go on.
            self.assertEqual(raised.exception.code(), grpc.StatusCode.INVALID_ARGUMENT, name)
            self.assertTrue(raised.exception.details(), name)
        with self.assertRaises(grpc.RpcError) as raised:
            self.call(SERVICE, request("api", [("user", "x" * 100_000)]))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        with self.assertRaises(grpc.RpcError) as raised:
            self.call("/envoy.service.ratelimit.v3.RateLimitService/Other", b"")
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.assertEqual(self.code("after"), OK)

    def test_many_calls_at_once_get_no_more_than_there_is(self):
        ask = self.channel.unary_unary(SERVICE)
        message = request("api", [("user", "crowd")])
        calls = [ask.future(message, timeout=WAIT_SECONDS) for _ in range(1000)]
        codes = [fields(call.result())[1][0] for call in calls]
        self.assertEqual((codes.count(OK), codes.count(OVER_LIMIT)), (3, 997))

    def test_health(self):
        self.assertEqual(self.call(HEALTH + "Check", b""), {1: [1]})
        with self.assertRaises(grpc.RpcError) as raised:
            self.call(HEALTH + "Check", field(1, "nothing"))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)
        watch = self.channel.unary_stream(HEALTH + "Watch")(b"", timeout=WAIT_SECONDS)
        self.assertEqual(fields(next(watch)), {1: [1]})
        watch.cancel()
