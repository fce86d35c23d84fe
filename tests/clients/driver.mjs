// Drives the official JavaScript clients for the tests, under Node.js, Bun or Deno. README.md has the line protocol.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";
import { io as io3_1 } from "socket.io-client-3.1";
import { io as io4_0 } from "socket.io-client-4.0";
import { io as io4_5 } from "socket.io-client-4.5";
import msgpackParser from "socket.io-msgpack-parser";

const variants = { "3.1": io3_1, "4.0": io4_0, "4.5": io4_5 };
const sockets = new Map();

const tell = (message) => process.stdout.write(JSON.stringify(message) + "\n");

// {"$bytes": base64} means binary, {"$undefined": 1} undefined, {"$date": ms} a Date.
const revive = (value) => {
  if (Array.isArray(value)) return value.map(revive);
  if (value === null || typeof value !== "object") return value;
  if ("$bytes" in value) return Buffer.from(value.$bytes, "base64");
  if ("$undefined" in value) return undefined;
  if ("$date" in value) return new Date(value.$date);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revive(item)]));
};

const commands = {
  connect({ client, url, codec, options: { variant, ...options } }) {
    const parser = codec === "msgpack" ? { parser: msgpackParser } : {};
    const connect = variants[variant] ?? io; // the newest
    const socket = connect(url, { forceNew: true, ...parser, ...options });
    sockets.set(client, socket);
    socket.on("connect", () => tell({ client, is: "connect", sid: socket.id, recovered: socket.recovered ?? false, transport: socket.io.engine.transport.name }));
    socket.on("connect_error", (error) => tell({ client, is: "connect_error", message: error.message, data: error.data ?? null }));
    socket.on("disconnect", (reason) => tell({ client, is: "disconnect", reason }));
    socket.io.engine.on("upgrade", (transport) => tell({ client, is: "upgrade", transport: transport.name }));
    socket.io.on("reconnect_attempt", () => tell({ client, is: "reconnect_attempt" }));
    socket.onAny((event, push, offset) => tell({ client, is: "push", event, push, offset }));
  },
  call({ client, call, method, args }) {
    sockets.get(client).emit(method, ...revive(args), (answer) => tell({ client, is: "answer", call, answer }));
  },
  emit({ client, method, args }) {
    sockets.get(client).emit(method, ...revive(args));
  },
  drop({ client }) {
    sockets.get(client).io.engine.close();
  },
  // Cut the network; the client reconnects only after `resume`, perhaps to another node.
  hold({ client }) {
    const { io } = sockets.get(client);
    io.reconnection(false);
    io.engine.close();
  },
  resume({ client, url }) {
    const socket = sockets.get(client);
    if (url) socket.io.uri = url;
    socket.io.reconnection(true);
    socket.connect();
  },
  tell_pid({ client }) {
    const { _pid: pid, _lastOffset: offset } = sockets.get(client);
    tell({ client, is: "pid", pid, offset });
  },
  close({ client }) {
    sockets.get(client)?.disconnect();
    sockets.delete(client);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  commands[command.do](command);
}
process.exit(0);
