// Socket.IO on Node.js with DAIRA's work for each connection and call; with --bare, without it.
// Environment: PORT, REDIS_URL, TOKEN_KEY. SIGUSR2 collects garbage, so that only connections count as memory.

import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { Ajv } from "ajv";
import jwt from "jsonwebtoken";
import { Counter, Histogram } from "prom-client";
import { createClient } from "redis";
import { Server } from "socket.io";
import parser from "socket.io-msgpack-parser";

const CALLS_PER_SECOND = 1_000_000;
const bare = process.argv.includes("--bare");
const { PORT, REDIS_URL, TOKEN_KEY } = process.env;

const ajv = new Ajv();
const validators = {
  "system.ping": ajv.compile({ type: "object" }),
  join: ajv.compile({
    type: "object",
    properties: { room: { type: "string", maxLength: 100 } },
    required: ["room"],
  }),
};
const calls = new Counter({ name: "calls_total", help: "calls", labelNames: ["method", "code"] });
const seconds = new Histogram({ name: "call_seconds", help: "duration of calls", labelNames: ["method"] });

class TokenBucket {
  tokens = 2 * CALLS_PER_SECOND;
  refilledAt = performance.now();

  take() {
    const now = performance.now();
    const refilled = this.tokens + ((now - this.refilledAt) / 1_000) * CALLS_PER_SECOND;
    this.tokens = Math.min(refilled, 2 * CALLS_PER_SECOND);
    this.refilledAt = now;
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}

// Registers a method: limit, validation, answer, metrics.
function call(socket, method, handler) {
  if (bare) {
    socket.on(method, (argument, answer) => answer({ ok: true, data: handler(argument) }));
    return;
  }
  const validate = validators[method];
  socket.on(method, (argument, answer) => {
    const began = performance.now();
    let code = "ok";
    if (!socket.data.bucket.take()) code = "RESOURCE_EXHAUSTED";
    else if (!validate(argument)) code = "INVALID_ARGUMENT";
    answer(code === "ok" ? { ok: true, data: handler(argument) } : { ok: false, error: { code } });
    calls.inc({ method, code });
    seconds.observe({ method }, (performance.now() - began) / 1_000);
  });
}

const publishing = createClient({ url: REDIS_URL });
const subscribing = publishing.duplicate();
await Promise.all([publishing.connect(), subscribing.connect()]);

const http = createServer();
const io = new Server(http, {
  parser,
  transports: ["websocket"],
  perMessageDeflate: false,
  serveClient: false,
  adapter: createAdapter(publishing, subscribing),
});

io.use((socket, next) => {
  try {
    const claims = bare
      ? jwt.decode(socket.handshake.auth.token)
      : jwt.verify(socket.handshake.auth.token, TOKEN_KEY, { algorithms: ["HS256"] });
    socket.data.userId = claims.sub;
    next();
  } catch {
    next(new Error("UNAUTHENTICATED"));
  }
});

io.on("connection", (socket) => {
  if (!bare) socket.data.bucket = new TokenBucket();
  socket.join(`user:${socket.data.userId}`);
  call(socket, "system.ping", () => ({ server_time: new Date().toISOString() }));
  call(socket, "join", ({ room }) => {
    socket.join(room);
    return {};
  });
});

process.on("SIGUSR2", () => globalThis.gc?.());
http.listen(Number(PORT), "127.0.0.1");
