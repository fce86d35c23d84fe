// The socket of the tab's user: calls and answers, pushes (each once), and changes of the connection.
import { io } from "./vendor/socket.io.esm.min.js";

const ANSWER_WITHIN_MS = 15_000; // the server answers sooner, if only that it took too long
const PUSHES_REMEMBERED = 1_000;

/** The error of a call, with the fields of the contract: `code`, `message`, `details`, … */
export class CallRefused extends Error {
  constructor(method, error) {
    const details = (error.details ?? []).map(({ field, reason }) => ` (${field}: ${reason})`).join("");
    super(`${method}: ${error.code}, ${error.message}${details}`);
    this.error = error;
  }
}

export class Session {
  #socket;
  #log;
  #listeners = new Map();
  #seen = new Set();

  /** onState(state, words): "on"; "waiting" to reconnect; or "over", when the client does not reconnect. */
  constructor(token, log, onState) {
    this.#log = log;
    this.#socket = io({ auth: { token }, transports: ["websocket"] });
    const change = (state, words, detail) => {
      log.addChange(words, detail);
      onState(state, words);
    };
    this.#socket.on("connect", () => {
      change("on", this.#socket.recovered ? "connected, session recovered" : "connected", { id: this.#socket.id });
    });
    this.#socket.on("disconnect", (reason) => {
      change(this.#socket.active ? "waiting" : "over", this.#socket.active ? "reconnecting" : "signed out", { reason });
    });
    this.#socket.on("connect_error", (error) => {
      const words = this.#socket.active ? "reconnecting" : `refused: ${error.data?.reason ?? error.message}`;
      change(this.#socket.active ? "waiting" : "over", words, error.data ?? { message: error.message });
    });
    this.#socket.onAny((name, push) => this.#hear(name, push));
  }

  /** Call `listener` with each push of that name. */
  on(name, listener) {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
  }

  /** Call, and return the data of the answer. Throws CallRefused. */
  async call(method, argument = {}) {
    const began = performance.now();
    let answer;
    try {
      answer = await this.#socket.timeout(ANSWER_WITHIN_MS).emitWithAck(method, argument);
    } catch (error) {
      answer = { ok: false, error: { code: "UNAVAILABLE", message: error.message, retryable: true } };
    }
    this.#log.addCall(method, argument, answer, Math.round(performance.now() - began));
    if (!answer.ok) throw new CallRefused(method, answer.error);
    return answer.data;
  }

  close() {
    this.#socket.disconnect();
  }

  #hear(name, push) {
    const repeated = this.#seen.has(push.id);
    this.#log.addPush(name, push, repeated ? "repeated" : "");
    if (repeated) return;
    this.#seen.add(push.id);
    if (this.#seen.size > PUSHES_REMEMBERED) this.#seen.delete(this.#seen.values().next().value);
    for (const listener of this.#listeners.get(name) ?? []) listener(push);
  }
}
