// The developer page: signs in as a demo user and shows the product as that user sees it. Each tab has its own user.
import { Bell } from "./bell.js";
import { Card } from "./card.js";
import { Chat } from "./chat.js";
import { Chats } from "./chats.js";
import { element, find, nameOf, onSubmit, show, toUsername } from "./dom.js";
import { Explore } from "./explore.js";
import { Feed } from "./feed.js";
import { Filtered } from "./filtered.js";
import { Log } from "./log.js";
import { followMedia } from "./media.js";
import { notify } from "./notice.js";
import { People } from "./people.js";
import { Preferences } from "./preferences.js";
import { Room } from "./room.js";
import { Rooms } from "./rooms.js";
import { Saves } from "./saves.js";
import { Search } from "./search.js";
import { Session } from "./session.js";

const TOKEN = "token"; // in the tab's storage
const FAREWELL = "farewell";

async function askWho() {
  show(find("door"), find("product"));
  notify(sessionStorage.getItem(FAREWELL) ?? "");
  sessionStorage.removeItem(FAREWELL);
  onSubmit(find("sign-in"), signIn);
  find("demo-users").replaceChildren(
    ...(await listDemoUsers()).map(({ username, display_name }) =>
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
  for (const id of ["sign-out", "open-search", "open-saves", "bell"]) show(find(id));
  const session = new Session(token, new Log(), (state, words) => {
    find("connection").dataset.state = state;
    find("connection").textContent = words;
    if (state === "over") leave(words);
  });
  followMedia(session);
  const people = new People(session);
  const feed = new Feed(session);
  people.onFollowed = (user) => feed.include(user);
  people.onUnfollowed = (user) => feed.leaveOut(user);
  const room = new Room(session);
  const chats = new Chats(session, new Chat(session));
  const card = new Card(session, people, room, chats);
  const bell = new Bell(session, async ({ type, id }) => {
    if (type === "user") await card.open({ user_id: id });
    if (type === "chat") await chats.open(id);
    if (type === "post") await feed.open(id);
    if (type === "comment") await feed.open((await session.call("comment.get", { comment_id: id })).post_id);
  });
  new Filtered(session, () => bell.load());
  const saves = new Saves(session, (postId) => feed.open(postId));
  const rooms = new Rooms(session, room);
  const explore = new Explore(session, people, (id) => feed.open(id));
  new Search(session, { post: (id) => feed.open(id), room: (id) => rooms.enter(id) });
  document.addEventListener("click", ({ target }) => {
    const hashtag = target.closest("[data-tag]");
    if (!hashtag) return;
    if (find("search").matches(":popover-open")) find("search").hidePopover();
    explore.openHashtag(hashtag.dataset.tag);
  });
  const panels = [card, people, feed, chats, bell, new Preferences(session), saves, rooms, explore];
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

/** Sign out, and show the sign-in form again. */
function leave(words) {
  sessionStorage.clear();
  sessionStorage.setItem(FAREWELL, words);
  location.reload();
}

const listDemoUsers = () => fetchJson("/dev/users");

/** Suggest usernames in all forms that ask for one. */
async function suggestUsernames() {
  const options = (await listDemoUsers()).map(({ username, display_name }) =>
    element("option", { value: username }, display_name),
  );
  find("usernames").replaceChildren(...options);
}

/** Return the JSON answer. Throws the server's message if it refuses. */
async function fetchJson(path, options) {
  const response = await fetch(path, options);
  const answer = await response.json().catch(() => ({ message: `${path} answers ${response.status}` }));
  if (!response.ok) throw new Error(answer.message);
  return answer;
}

// Errors of clicks that no code handles, such as refused calls.
window.addEventListener("unhandledrejection", (event) => {
  notify(event.reason.message);
  event.preventDefault();
});

const token = sessionStorage.getItem(TOKEN);
if (token) enter(token);
else await askWho();
