// The developer page: asks who to be, then shows the product as that person sees it. Each tab is a person of its own.
import { Card } from "./card.js";
import { element, find, nameOf, onSubmit, show, toUsername } from "./dom.js";
import { Feed } from "./feed.js";
import { Log } from "./log.js";
import { notify } from "./notice.js";
import { People } from "./people.js";
import { Room } from "./room.js";
import { Rooms } from "./rooms.js";
import { Session } from "./session.js";

const TOKEN = "token"; // in the tab's storage
const FAREWELL = "farewell";

async function askWho() {
  show(find("door"), find("product"));
  notify(sessionStorage.getItem(FAREWELL) ?? "");
  sessionStorage.removeItem(FAREWELL);
  onSubmit(find("sign-in"), signIn);
  find("demo-people").replaceChildren(
    ...(await listDemoPeople()).map(({ username, display_name }) =>
      element(
        "button",
        { onclick: () => signIn(username) },
        element("bdi", {}, display_name),
        element("small", {}, `@${username}`),
      ),
    ),
  );
}

async function signIn(username) {
  const { token } = await fetchJson("/dev/sign-in", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username: toUsername(username) }),
  });
  sessionStorage.setItem(TOKEN, token);
  enter(token);
}

function enter(token) {
  show(find("product"), find("door"));
  show(find("sign-out"));
  const session = new Session(token, new Log(), (state, words) => {
    find("connection").dataset.state = state;
    find("connection").textContent = words;
    if (state === "over") leave(words);
  });
  const people = new People(session);
  const feed = new Feed(session);
  people.onFollowed = (user) => feed.include(user);
  people.onUnfollowed = (user) => feed.leaveOut(user);
  const room = new Room(session);
  const panels = [new Card(session, people, room), people, feed, new Rooms(session, room)];
  let isWhole = false;
  session.on("session.ready", async ({ user, recovered }) => {
    if (recovered && isWhole) return; // what was missed has come already
    isWhole = false;
    document.title = `${nameOf(user)} · DAIRA`;
    await Promise.all(panels.map((panel) => panel.load(user)));
    isWhole = true;
  });
  find("sign-out").addEventListener("click", () => session.close());
  suggestUsernames();
}

/** Forget who this tab was, and ask anew. */
function leave(words) {
  sessionStorage.clear();
  sessionStorage.setItem(FAREWELL, words);
  location.reload();
}

const listDemoPeople = () => fetchJson("/dev/users");

/** Where one is asked for a name. */
async function suggestUsernames() {
  const options = (await listDemoPeople()).map(({ username, display_name }) =>
    element("option", { value: username }, display_name),
  );
  find("usernames").replaceChildren(...options);
}

/** Throws what the server has to say against it. */
async function fetchJson(path, options) {
  const response = await fetch(path, options);
  const answer = await response.json().catch(() => ({ message: `${path} answers ${response.status}` }));
  if (!response.ok) throw new Error(answer.message);
  return answer;
}

// Whatever a click led to and nobody handled, such as a refused call.
window.addEventListener("unhandledrejection", (event) => {
  notify(event.reason.message);
  event.preventDefault();
});

const token = sessionStorage.getItem(TOKEN);
if (token) enter(token);
else await askWho();
