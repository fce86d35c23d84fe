// Transactions of a viewer, with the texts of the statements that DAIRA runs for the same call.
// STATEMENTS: method → its statements from BEGIN to COMMIT; "{viewer}" stands for the user's id.

import postgres from "postgres";

const { DATABASE_URL, STATEMENTS } = process.env;

const CONNECTIONS = 20;
const RELAY = "daira_outbox";
const WAKE_EVERY_MS = 5;

const statements = JSON.parse(STATEMENTS);
const sql = postgres(DATABASE_URL, { max: CONNECTIONS });

// Runs `body` with a function for each statement between BEGIN and COMMIT; all are prepared once a connection.
export async function transact(method, viewerId, body) {
  const [begin, ...texts] = statements[method];
  const commit = texts.pop();
  const connection = await sql.reserve();
  try {
    await connection.unsafe(begin.replace("{viewer}", viewerId));
    const result = await body(
      ...texts.map((text) => (...values) => connection.unsafe(text, values, { prepare: true })),
    );
    await connection.unsafe(commit);
    return result;
  } catch (error) {
    await connection.unsafe("ROLLBACK");
    throw error;
  } finally {
    connection.release();
  }
}

let waking = false;

// Tells the relay of new events, at most once per 5 ms.
export function wakeRelay() {
  if (waking) return;
  waking = true;
  setTimeout(() => {
    waking = false;
    sql`SELECT pg_notify(${RELAY}, '')`.catch((error) => console.error(error));
  }, WAKE_EVERY_MS);
}
