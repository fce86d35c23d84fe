// The moderators' console: signs a moderator in, and shows the views. Each view is a module of its own.
import { AuditTrail } from "./audit.js";
import { CaseView } from "./case.js";
import { find, show } from "./dom.js";
import { Keys } from "./keys.js";
import { notify } from "./notice.js";
import { Numbers } from "./numbers.js";
import { PersonPage } from "./person.js";
import { Queue } from "./queue.js";
import { Rules } from "./rules.js";
import { askToSignIn, StaffSession } from "./sign_in.js";
import { Verifications } from "./verifications.js";
import { offerLanguages, translate, word } from "./words.js";

const VIEW_KEYS = { q: "queue", s: "person", v: "verifications", g: "rules", a: "audit", m: "numbers" };

const keys = new Keys();
let views = {};
let shown = "queue";
let isLeaving = false;

function enter(tokens) {
  const session = new StaffSession(tokens, showState, () => signOut("idle"));
  const person = new PersonPage(session, { openCase });
  const oneCase = new CaseView(session, {
    openPerson: (id) => {
      open("person");
      person.show({ user_id: id });
    },
    onDecided: () => views.queue.next(),
  });
  views = {
    queue: new Queue(session, oneCase),
    person,
    verifications: new Verifications(session),
    rules: new Rules(session),
    audit: new AuditTrail(session),
    numbers: new Numbers(session),
  };
  function openCase(id) {
    open("queue");
    oneCase.show(id);
  }
  keys.add("", Object.fromEntries(Object.entries(VIEW_KEYS).map(([key, name]) => [key, [name, () => open(name)]])));
  keys.add("queue", { ...views.queue.keys, ...oneCase.keys });
  for (const button of find("views").children) button.addEventListener("click", () => open(button.dataset.view));
  async function signOut(reason) {
    try {
      await session.call("auth.logout");
    } finally {
      leave(reason);
    }
  }
  find("sign-out").addEventListener("click", () => signOut());
  show(find("desk"), find("door"));
  show(find("views"));
  show(find("sign-out"));
  session.on("session.ready", async () => {
    await views.queue.watch();
    open(shown);
  });
}

function showState(state) {
  find("connection").dataset.state = state;
  find("connection").textContent = word(state);
  if (state === "over") leave();
}

/** Forget everything that the page knew, by a reload. */
function leave(reason = "") {
  if (isLeaving) return; // the socket closes after `auth.logout`
  isLeaving = true;
  location.hash = reason;
  location.reload();
}

function open(name) {
  shown = name;
  for (const button of find("views").children) {
    const isShown = button.dataset.view === name;
    find(button.dataset.view).hidden = !isShown;
    if (isShown) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
  keys.use(name);
  return views[name].load();
}

// Errors of clicks that no code handles, such as refused calls.
window.addEventListener("unhandledrejection", (event) => {
  notify(event.reason.message);
  event.preventDefault();
});

translate();
offerLanguages(find("language"), () => views[shown]?.load());
if (location.hash) notify(word(location.hash.slice(1)));
history.replaceState(null, "", "/admin");
enter(await askToSignIn());
