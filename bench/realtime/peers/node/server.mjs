// The gateway on Node.js, at PORT. SIGUSR2 collects garbage, so that only connections count as memory.

import { createServer } from "node:http";
import { openGateway } from "./gateway.mjs";

const http = createServer();
await openGateway(http);
process.on("SIGUSR2", () => globalThis.gc?.());
http.listen(Number(process.env.PORT), "127.0.0.1");
