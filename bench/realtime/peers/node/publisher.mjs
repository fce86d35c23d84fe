// Publishes with @socket.io/redis-emitter. Each line on standard input is an order: "room NAME…" or "users ID…".

import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";

const { REDIS_URL, TEXT } = process.env;
const redis = createClient({ url: REDIS_URL });
await redis.connect();
const emitter = new Emitter(redis);
const run = randomBytes(3).toString("hex");
let number = 0;

function tick() {
  number += 1;
  return { id: `tick:${run}${String(number).padStart(8, "0")}`, sent_at: Number(process.hrtime.bigint()), text: TEXT };
}

console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const [kind, ...names] = line.split(" ");
  if (kind === "users") emitter.to(names.map((id) => `user:${id}`)).emit("bench.tick", tick());
  else for (const name of names) emitter.to(name).emit("bench.tick", tick());
}
process.exit(0);
