// Drives official clients for the tests: JSON lines in, JSON lines out.
// In:  {do: "connect", client, url, codec, options} · {do: "call", client, call, method, args} · {do: "close", client}
// Out: {client, is: "connect"|"connect_error"|"disconnect"|"push"|"answer"|"reconnect_attempt", ...}
import { createInterface } from "node:readline";
import { io } from "socket.io-client";
import msgpackParser from "socket.io-msgpack-parser";

const sockets = new Map();

const tell = (message) => process.stdout.write(JSON.stringify(message) + "\n");

// {"$bytes": base64} stands for binary, {"$undefined": 1} for undefined, {"$date": ms} for a Date.
const revive = (value) => {
  if (Array.isArray(value)) return value.map(revive);
  if (value === null || typeof value !== "object") return value;
  if ("$bytes" in value) return Buffer.from(value.$bytes, "base64");
  if ("$undefined" in value) return undefined;
  if ("$date" in value) return new Date(value.$date);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revive(item)]));
};

const commands = {
  connect({ client, url, codec, options }) {
    const parser = codec === "msgpack" ? { parser: msgpackParser } : {};
    const socket = io(url, { forceNew: true, ...parser, ...options });
    sockets.set(client, socket);
    socket.on("connect", () => tell({ client, is: "connect", sid: socket.id, recovered: socket.recovered, transport: socket.io.engine.transport.name }));
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
  // The network goes, and the client does not try again until it is told to, perhaps at another node.
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
