// Many official clients that each watch a post, count its pushes, and connect to the other node when one is lost.
// Input: {urls, people: [{token, post}]}, then {do: "report"} for each report. Output: one line for each report.
// Pushes are numbered by `post_id`, from 1 in each room, so that gaps, repetitions and disorder are detected.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";
import msgpackParser from "socket.io-msgpack-parser";

const totals = { watching: 0, recovered: 0, afresh: 0, gaps: 0, repeated: 0, disorder: 0, heard: 0, disconnects: 0 };
const clients = [];

function join(urls, { token, post }, number) {
  let turn = number % urls.length;
  const socket = io(urls[turn], {
    auth: { token }, parser: msgpackParser, transports: ["websocket"], forceNew: true,
    reconnectionDelay: 100, reconnectionDelayMax: 1000,
  });
  const client = { socket, last: null, ids: new Set(), fresh: true };
  clients.push(client);
  socket.on("connect", () => {
    client.up = true;
    if (client.watching && socket.recovered) totals.recovered++;
    else if (client.watching) { totals.afresh++; client.fresh = true; }
    if (!socket.recovered) watch();
  });
  const watch = () => socket.emit("post.watch", { post_id: post }, ({ ok, error }) => {
    if (ok && !client.watching) { client.watching = true; totals.watching++; }
    else if (!ok && error.retryable) setTimeout(watch, error.retry_after_ms ?? 1000);
  });
  // The client also reports a transport that closed before CONNECT was answered: that is a failed attempt.
  socket.on("disconnect", () => { if (client.up) totals.disconnects++; client.up = false; });
  socket.io.on("reconnect_attempt", () => { turn = (turn + 1) % urls.length; socket.io.uri = urls[turn]; });
  socket.on("post.deleted", ({ id, post_id }) => {
    const number = Number(post_id);
    totals.heard++;
    if (client.ids.has(id)) totals.repeated++;
    else if (client.last !== null && !client.fresh && number > client.last + 1) totals.gaps++;
    else if (client.last !== null && number <= client.last) totals.disorder++;
    client.fresh = false;
    client.ids.add(id);
    client.last = Math.max(client.last ?? 0, number);
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.do === "report") {
    const lasts = clients.map(({ last }) => last ?? 0);
    const connected = clients.filter(({ socket }) => socket.connected).length;
    console.log(JSON.stringify({ ...totals, connected, slowest: lasts.reduce((a, b) => Math.min(a, b), Infinity) }));
  } else command.people.forEach((person, number) => setTimeout(() => join(command.urls, person, number), number));
}
process.exit(0);
