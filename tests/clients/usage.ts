// An app that uses the generated types: the compiler checks every call, answer and push.
import { io, type Socket } from "socket.io-client";
import type { ClientToServerEvents, FeedPage, Post, ServerToClientEvents } from "../../docs/schema/daira";

const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io("http://127.0.0.1:8000", {
  auth: { token: "…" },
  transports: ["websocket"],
});

socket.on("feed.added", (push, offset) => {
  const id: string = push.post_id;
  console.log(id, offset);
});

socket.emit("post.create", { text: "صباح الخير" }, (answer) => {
  if (answer.ok) {
    const post: Post = answer.data;
    console.log(post.counts.comments, post.viewer.reaction);
  } else {
    console.log(answer.error.code, answer.error.retry_after_ms);
  }
});

export async function load(): Promise<FeedPage> {
  const answer = await socket.timeout(10_000).emitWithAck("feed.get", { mode: "latest", limit: 20 });
  if (!answer.ok) throw new Error(answer.error.message);
  await socket.emitWithAck("system.ping");
  return answer.data;
}
