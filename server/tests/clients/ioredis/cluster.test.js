// Job: ioredis's cluster client against the ports of the shards.
// In: a server of the harness with shard ports. Out: results of node's test runner.
// Invariant: the client is unmodified.
"use strict";

const assert = require("node:assert/strict");
const { after, before, describe, test } = require("node:test");
const { IS_REDIS, SHARDS, Server, until } = require("./harness");

describe("cluster", { skip: IS_REDIS && "a lone redis-server is no cluster" }, () => {
  let server;
  let cluster;

  before(async () => {
    server = await Server.start({}, true);
    cluster = server.connectCluster(0);
  });

  after(async () => {
    if (server) await server.close();
  });

  test("keys spread over the shards and are seen on the main port", async () => {
    const numbers = Array.from({ length: 500 }, (_, number) => number);
    await Promise.all(numbers.map((number) => cluster.set(`key:${number}`, number)));
    const values = await Promise.all(numbers.map((number) => cluster.get(`key:${number}`)));
    assert.deepEqual(values, numbers.map(String));
    assert.equal(cluster.nodes("master").length, SHARDS);
    const main = server.connect();
    assert.equal(await main.get("key:7"), "7");
    assert.equal(await main.dbsize(), 500);
  });

  test("pipelines and transactions on one hash tag", async () => {
    const replies = await cluster.multi().set("{tag}a", 1).incr("{tag}a").exec();
    assert.deepEqual(replies, [[null, "OK"], [null, 2]]);
    const pipeline = cluster.pipeline();
    for (let number = 0; number < 100; number += 1) pipeline.incr("{tag}counter");
    assert.equal((await pipeline.exec()).length, 100);
  });

  test("blocking pops", async () => {
    const main = server.connect();
    const blocked = server.connectCluster(2);
    const isBlocked = async () => /blocked_clients:1\r/.test(await main.info("clients"));
    const popped = blocked.blpop("{tag}one", "{tag}two", 0);
    await until(isBlocked);
    await cluster.rpush("{tag}two", "value");
    assert.deepEqual(await popped, ["{tag}two", "value"]);
    const ranked = blocked.bzpopmin("sorted", 0);
    await until(isBlocked);
    await main.zadd("sorted", 2.5, "m");
    assert.deepEqual(await ranked, ["sorted", "m", "2.5"]);
    assert.equal(await blocked.brpop("nothing", 0.02), null);
  });

  test("publish and subscribe", async () => {
    const listener = server.connectCluster(1);
    const seen = [];
    listener.on("message", (channel, message) => seen.push(message));
    await listener.subscribe("channel");
    await cluster.publish("channel", "hello");
    await until(() => seen.length === 1);
    assert.deepEqual(seen, ["hello"]);
  });
});

describe("a cluster that goes away", { skip: IS_REDIS && "a lone redis-server is no cluster" }, () => {
  let server;
  after(() => server.close());

  test("reconnect after restart", async () => {
    server = await Server.start({}, true);
    const cluster = server.connectCluster(0, { clusterRetryStrategy: () => 20 });
    cluster.on("error", () => {});
    const numbers = Array.from({ length: 50 }, (_, number) => number);
    await Promise.all(numbers.map((number) => cluster.set(`key:${number}`, number)));
    assert.equal(await server.stop(), 0);
    const replies = Promise.all(numbers.map((number) => cluster.get(`key:${number}`)));
    await server.launch();
    assert.deepEqual(await replies, numbers.map(() => null));
  });
});
