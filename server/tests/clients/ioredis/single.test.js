// Job: ioredis against one server.
// In: a server of the harness. Out: results of node's test runner.
// Invariant: each test empties the server first and leaves its clients to the server of the harness.
"use strict";

const assert = require("node:assert/strict");
const { after, before, beforeEach, describe, test } = require("node:test");
const { Server, until } = require("./harness");

const LARGE_BYTES = 64 * 1024 * 1024;

describe("one server", () => {
  let server;
  let client;

  before(async () => {
    server = await Server.start();
    client = server.connect();
  });

  after(async () => {
    await server.close();
  });

  beforeEach(() => client.flushall());

  test("values of all types", async () => {
    assert.equal(await client.set("string", "value"), "OK");
    assert.equal(await client.get("string"), "value");
    assert.equal(await client.get("missing"), null);
    assert.equal(await client.rpush("list", "a", "b"), 2);
    assert.deepEqual(await client.lrange("list", 0, -1), ["a", "b"]);
    assert.equal(await client.hset("hash", { f: 1, g: "two" }), 2);
    assert.deepEqual(await client.hgetall("hash"), { f: "1", g: "two" });
    assert.equal(await client.zadd("sorted", 1.5, "m"), 1);
    assert.deepEqual(await client.zrange("sorted", 0, -1, "WITHSCORES"), ["m", "1.5"]);
    await assert.rejects(client.lpush("string", "x"), /WRONGTYPE/);
  });

  test("binary values", async () => {
    const value = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    await client.set(value, value);
    assert.deepEqual(await client.getBuffer(value), value);
  });

  test("automatic and explicit pipelines", async () => {
    const numbers = Array.from({ length: 3000 }, (_, number) => number);
    await Promise.all(numbers.map((number) => client.set(`key:${number}`, number)));
    const pipeline = client.pipeline();
    for (const number of numbers) pipeline.get(`key:${number}`);
    const replies = await pipeline.exec();
    assert.deepEqual(replies, numbers.map((number) => [null, String(number)]));
    const automatic = server.connect({ enableAutoPipelining: true });
    const values = await Promise.all(numbers.map((number) => automatic.get(`key:${number}`)));
    assert.deepEqual(values, numbers.map(String));
  });

  test("transactions", async () => {
    const replies = await client.multi().incr("a").incr("b").incr("a").mget("a", "b").exec();
    assert.deepEqual(replies.at(-1), [null, ["2", "1"]]);
    const other = server.connect();
    await client.watch("a");
    await other.set("a", 10);
    assert.equal(await client.multi().set("a", 0).exec(), null);
    assert.equal(await other.get("a"), "10");
  });

  test("a retry loop with WATCH loses no increment", async () => {
    const increment = async () => {
      const own = server.connect();
      for (let round = 0; round < 50; round += 1) {
        let done = null;
        while (done === null) {
          await own.watch("counter");
          const number = Number(await own.get("counter"));
          done = await own.multi().set("counter", number + 1).exec();
        }
      }
    };
    await Promise.all([increment(), increment(), increment(), increment()]);
    assert.equal(await client.get("counter"), "200");
  });

  test("blocking pops", async () => {
    const blocked = server.connect();
    const reply = blocked.blpop("first", "second", 0);
    await until(async () => /blocked_clients:1\r/.test(await client.info("clients")));
    await client.rpush("second", "value");
    assert.deepEqual(await reply, ["second", "value"]);
    assert.equal(await blocked.brpop("nothing", 0.2), null);
    const popped = blocked.bzpopmin("sorted", 0);
    await until(async () => /blocked_clients:1\r/.test(await client.info("clients")));
    await client.zadd("sorted", 2.5, "m");
    assert.deepEqual(await popped, ["sorted", "m", "2.5"]);
  });

  test("publish and subscribe", async () => {
    const listener = server.connect();
    const seen = [];
    listener.on("message", (channel, message) => seen.push([channel, message]));
    listener.on("pmessage", (pattern, channel, message) => seen.push([pattern, channel, message]));
    assert.equal(await listener.subscribe("news"), 1);
    assert.equal(await listener.psubscribe("s*"), 2);
    assert.equal(await client.publish("news", "one"), 1);
    assert.equal(await client.publish("sport", "two"), 1);
    await until(() => seen.length === 2);
    assert.deepEqual(seen, [["news", "one"], ["s*", "sport", "two"]]);
    await listener.unsubscribe("news");
    await listener.punsubscribe("s*");
    assert.equal(await listener.ping(), "PONG");
  });

  test("a large value", async () => {
    const value = Buffer.alloc(LARGE_BYTES, "0123456789abcdef");
    await client.set("large", value);
    assert.ok(value.equals(await client.getBuffer("large")));
  });

  test("scan streams", async () => {
    const pipeline = client.pipeline();
    for (let number = 0; number < 2000; number += 1) pipeline.set(`scan:${number}`, number);
    await pipeline.exec();
    const keys = new Set();
    for await (const found of client.scanStream({ match: "scan:*", count: 100 })) {
      for (const key of found) keys.add(key);
    }
    assert.equal(keys.size, 2000);
  });

  test("a killed client reconnects", async () => {
    const victim = server.connect({ retryStrategy: () => 5 });
    const identity = await victim.client("ID");
    assert.equal(await client.client("KILL", "ID", identity), 1);
    await until(async () => (await victim.client("ID").catch(() => identity)) !== identity);
  });

  test("the unix socket", async () => {
    const through = server.connect({ path: server.socketPath });
    await through.set("through", "unix");
    assert.equal(await client.get("through"), "unix");
  });

  test("databases", async () => {
    const other = server.connect({ db: 3 });
    await other.set("key", "three");
    assert.equal(await client.get("key"), null);
  });

  test("MONITOR shows commands", async () => {
    const watching = server.connect();
    const monitor = await watching.monitor();
    server.clients.push(monitor);
    const seen = [];
    monitor.on("monitor", (time, words) => seen.push(words.join(" ")));
    await client.set("shown", "yes");
    await until(() => seen.includes("set shown yes"));
  });
});

describe("a server that goes away", () => {
  let server;
  after(() => server.close());

  test("reconnect after restart", async () => {
    server = await Server.start();
    const client = server.connect({ retryStrategy: () => 20 });
    client.on("error", () => {});
    await client.set("key", "value");
    assert.equal(await server.stop(), 0);
    const reply = client.get("key");
    await server.launch();
    assert.equal(await reply, null);
  });
});

describe("requirepass", () => {
  let server;
  after(() => server.close());

  test("passwords", async () => {
    server = await Server.start({ requirepass: "sesame" });
    assert.equal(await server.connect({ password: "sesame" }).ping(), "PONG");
    const none = server.connect({ lazyConnect: true, enableReadyCheck: false });
    none.on("error", () => {});
    await assert.rejects(none.connect().then(() => none.get("key")), /NOAUTH/);
  });
});
