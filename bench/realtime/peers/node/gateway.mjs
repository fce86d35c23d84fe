// Socket.IO with DAIRA's work for each connection and call: token, validation, token bucket and metrics; with --bare,
// without it. Environment: REDIS_URL, DATABASE_URL, TOKEN_KEY, STATEMENTS.

import { createAdapter } from "@socket.io/redis-adapter";
import { Ajv } from "ajv";
import jwt from "jsonwebtoken";
import { Counter, Histogram } from "prom-client";
import { createClient } from "redis";
import { Server } from "socket.io";
import parser from "socket.io-msgpack-parser";
import { createPost, getFeed } from "./posts.mjs";
import { TokenBucket } from "./token_bucket.mjs";
import { getUser } from "./users.mjs";

const bare = process.argv.includes("--bare");
const { REDIS_URL, TOKEN_KEY } = process.env;

const ajv = new Ajv();
const calls = new Counter({ name: "calls_total", help: "calls", labelNames: ["method", "code"] });
const seconds = new Histogram({ name: "call_seconds", help: "duration of calls", labelNames: ["method"] });

const methods = {
  "system.ping": {
    schema: { type: "object" },
    handle: () => ({ server_time: new Date().toISOString() }),
  },
  join: {
    schema: { type: "object", properties: { room: { type: "string", maxLength: 100 } }, required: ["room"] },
    handle: (socket, { room }) => {
      socket.join(room);
      return {};
    },
  },
  "feed.get": getFeed,
  "post.create": createPost,
  "user.get": getUser,
};

// Registers a method: limit, validation, answer, metrics. Its handler returns the answer, or a promise of it.
function register(socket, method, { handle }, validate) {
  if (bare) {
    socket.on(method, (argument, answer) => answer({ ok: true, data: handle(socket, argument) }));
    return;
  }
  socket.on(method, (argument, answer) => {
    const began = performance.now();
    const finish = (code, data) => {
      answer(code === "ok" ? { ok: true, data } : { ok: false, error: { code } });
      calls.inc({ method, code });
      seconds.observe({ method }, (performance.now() - began) / 1_000);
    };
    if (!socket.data.bucket.take()) return finish("RESOURCE_EXHAUSTED");
    if (!validate(argument)) return finish("INVALID_ARGUMENT");
    const data = handle(socket, argument);
    if (!(data instanceof Promise)) return finish("ok", data);
    data.then(
      (value) => finish("ok", value),
      (error) => {
        console.error(method, error);
        finish("INTERNAL");
      },
    );
  });
}

// Returns the Socket.IO server, on that HTTP server or still on none.
export async function openGateway(http) {
  const publishing = createClient({ url: REDIS_URL });
  const subscribing = publishing.duplicate();
  await Promise.all([publishing.connect(), subscribing.connect()]);
  const io = new Server(http, {
    parser,
    transports: ["websocket"],
    perMessageDeflate: false,
    serveClient: false,
    adapter: createAdapter(publishing, subscribing),
  });
  const table = Object.entries(methods).map(([name, method]) => [name, method, ajv.compile(method.schema)]);
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
    for (const [name, method, validate] of table) register(socket, name, method, validate);
  });
  return io;
}
