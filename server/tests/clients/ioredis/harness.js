// Job: start the server under test for the tests of the Node clients.
// In: RINGLET_SERVER_BINARY (a ringlet-server, or a redis-server to try the tests themselves on).
// Out: a Server that answers PING, with its port, unix socket and cluster ports.
// Invariant: a server that was started is ended by its own process handle.
"use strict";

const { spawn } = require("node:child_process");
const { once } = require("node:events");
const fs = require("node:fs");
const net = require("node:net");
const os = require("node:os");
const path = require("node:path");
const { setTimeout: sleep } = require("node:timers/promises");
const Redis = require("ioredis");

const BINARY = process.env.RINGLET_SERVER_BINARY;
const IS_REDIS = path.basename(BINARY).startsWith("redis");
const SHARDS = 4;
const START_MILLISECONDS = 20000;

function listens(port) {
  return new Promise((resolve) => {
    const probe = net.createServer();
    probe.once("error", () => resolve(null));
    probe.listen(port, "127.0.0.1", () => resolve(probe));
  });
}

/** The first of `count` neighbouring free ports, below those that the kernel gives to clients. */
async function freePort(count) {
  for (;;) {
    const first = 12000 + Math.floor(Math.random() * 20000);
    const probes = [];
    for (let port = first; port < first + count; port += 1) probes.push(await listens(port));
    const taken = probes.filter((probe) => probe !== null);
    await Promise.all(taken.map((probe) => once(probe.close(), "close")));
    if (taken.length === count) return first;
  }
}

class Server {
  /** Starts a server; `options` are directives without dashes. */
  static async start(options = {}, shardPorts = false) {
    const server = new Server();
    server.clients = [];
    server.directory = fs.mkdtempSync(path.join(os.tmpdir(), "ringlet-clients-"));
    server.socketPath = path.join(server.directory, "server.sock");
    server.port = await freePort(1);
    server.options = { unixsocket: server.socketPath, ...options };
    if (!IS_REDIS) {
      server.options.shards = String(SHARDS);
      if (shardPorts) {
        server.shardPorts = await freePort(SHARDS);
        server.options["shard-ports"] = String(server.shardPorts);
      }
    }
    await server.launch();
    return server;
  }

  /** Starts the process on the same ports as before. */
  async launch() {
    const words = ["--port", String(this.port), "--bind", "127.0.0.1", "--save", ""];
    for (const [name, value] of Object.entries(this.options)) words.push(`--${name}`, value);
    this.process = spawn(BINARY, words, { stdio: ["ignore", "ignore", "inherit"] });
    const deadline = Date.now() + START_MILLISECONDS;
    while (!(await this.answers())) {
      if (this.process.exitCode !== null) throw new Error("the server ended at once");
      if (Date.now() > deadline) throw new Error("the server does not answer");
      await sleep(5);
    }
  }

  /** True when PING gets any reply. */
  answers() {
    return new Promise((resolve) => {
      const probe = net.connect(this.port, "127.0.0.1", () => probe.write("PING\r\n"));
      probe.once("data", () => {
        probe.destroy();
        resolve(true);
      });
      probe.once("error", () => resolve(false));
    });
  }

  /** Ends the process in an orderly way; gives its exit code. */
  async stop() {
    const ended = once(this.process, "exit");
    this.process.kill("SIGTERM");
    const [code] = await ended;
    return code;
  }

  /** A client that ends with the server, so that a failed test leaves nothing open. */
  connect(options = {}) {
    const client = new Redis({ port: this.port, ...options });
    this.clients.push(client);
    return client;
  }

  /** A cluster client that ends with the server. */
  connectCluster(shard, options = {}) {
    const node = { host: "127.0.0.1", port: this.shardPorts + shard };
    const cluster = new Redis.Cluster([node], options);
    this.clients.push(cluster);
    return cluster;
  }

  /** Ends the process if it still runs, and all clients. */
  async close() {
    for (const client of this.clients) client.disconnect();
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const ended = once(this.process, "exit");
      this.process.kill("SIGKILL");
      await ended;
    }
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Polls until the condition holds. */
async function until(condition) {
  const deadline = Date.now() + START_MILLISECONDS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error("it did not happen in time");
    await sleep(5);
  }
}

module.exports = { IS_REDIS, SHARDS, Server, until };
