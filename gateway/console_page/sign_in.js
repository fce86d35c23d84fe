// Signing in by password and second factor. Tokens live in the tab's memory alone, so a reload signs out.
import { find, show } from "./dom.js";
import { Session } from "./session.js";

const REFRESH_EVERY_MS = 10 * 60_000; // an access token lasts 15 minutes
const IDLE_AFTER_MS = 15 * 60_000;
const CHECK_IDLE_EVERY_MS = 30_000;
const QUIET = { addCall() {}, addPush() {}, addChange() {} }; // the console keeps no log of calls

/** Ask for a password and, if the account has one, the second factor. Returns the tokens of the sign-in. */
export async function askToSignIn() {
  const session = new Session(undefined, QUIET, () => {});
  const login = find("sign-in");
  const factor = find("second-factor");
  try {
    show(login, factor);
    login.elements.email.focus();
    const answer = await submitted(login, (fields) => session.call("auth.login", fields));
    if (!answer.challenge) return answer;
    show(factor, login);
    factor.elements.code.focus();
    return await submitted(factor, ({ code }) =>
      session.call("auth.confirm_login", { challenge: answer.challenge, code }),
    );
  } finally {
    login.reset();
    factor.reset();
    session.close();
  }
}

/** Wait until the form's call succeeds. A refused call leaves the form as it is, to try again. */
function submitted(form, call) {
  return new Promise((resolve) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      const button = form.querySelector("button");
      button.disabled = true;
      try {
        resolve(await call(Object.fromEntries(new FormData(form))));
      } finally {
        button.disabled = false;
      }
    };
  });
}

/** The session of a moderator. `onIdle` is called after 15 minutes in which nobody touched the page. */
export class StaffSession extends Session {
  #active = Date.now();

  constructor({ access_token, refresh_token }, onState, onIdle) {
    super(access_token, QUIET, onState);
    for (const happening of ["keydown", "pointerdown"]) {
      document.addEventListener(happening, () => (this.#active = Date.now()), { passive: true });
    }
    setInterval(async () => {
      ({ refresh_token } = await this.call("auth.refresh", { refresh_token }));
    }, REFRESH_EVERY_MS);
    const checking = setInterval(() => {
      if (Date.now() - this.#active < IDLE_AFTER_MS) return;
      clearInterval(checking);
      onIdle();
    }, CHECK_IDLE_EVERY_MS);
  }
}
