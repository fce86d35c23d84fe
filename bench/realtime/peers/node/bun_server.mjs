// The gateway on Bun's own HTTP server and WebSockets, at PORT.

import { Server as Engine } from "@socket.io/bun-engine";
import { openGateway } from "./gateway.mjs";

const io = await openGateway();
const engine = new Engine({ path: "/socket.io/" });
io.bind(engine);
Bun.serve({ ...engine.handler(), hostname: "127.0.0.1", port: Number(process.env.PORT) });
