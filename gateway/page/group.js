// The panel of an open group: its title and members, with what the viewer's role allows.
import { avatar, draw, element, find, nameButton, onSubmit, show, toUsername } from "./dom.js";
import { notify } from "./notice.js";

export class Group {
  #session;
  #state = null; // of the open chat

  constructor(session) {
    this.#session = session;
    find("chat-members").addEventListener("click", () => this.#unfold(find("group").hidden));
    onSubmit(find("group-title"), (title) => this.#call("chat.update", { title }));
    onSubmit(find("group-add"), (name) => this.#add(toUsername(name)));
    find("group-leave").addEventListener("click", () => this.#call("chat.leave"));
  }

  show(state) {
    if (state.id !== this.#state?.id) this.#unfold(false);
    this.#state = state;
    const { chat, members, role } = state;
    const isGroup = chat.kind === "group";
    find("chat-members").hidden = !isGroup;
    find("chat-members").textContent = chat.member_count === 1 ? "1 member" : `${chat.member_count} members`;
    for (const id of ["group-title", "group-add"]) find(id).hidden = role === "member";
    find("group-title").elements.title.placeholder = chat.title || "Title";
    draw("group-members", isGroup ? [...members.values()] : [], (member) => this.#line(member));
  }

  #unfold(isOpen) {
    find("group").hidden = !isOpen;
    find("chat-members").ariaExpanded = String(isOpen);
  }

  #call(method, argument) {
    return this.#session.call(method, { chat_id: this.#state.id, ...argument });
  }

  async #add(username) {
    const user = await this.#session.call("user.get", { username });
    const { member_ids, requested_ids } = await this.#call("chat.add", { user_ids: [user.id] });
    if (![...member_ids, ...requested_ids].includes(user.id)) notify("They do not accept your messages");
  }

  #line({ user, role, state }) {
    const shown = state === "requested" ? "asked" : role;
    return element(
      "li",
      { class: "line", "data-username": user.username, "data-role": shown },
      avatar(user),
      nameButton(user),
      element("span", { class: "role" }, shown),
      element("span", { class: "controls" }, ...this.#acts(user, role, state)),
    );
  }

  /** Buttons that change a member, as far as the viewer may. */
  #acts({ id, username }, role, state) {
    const mine = this.#state.role;
    if (id === this.#state.me.id) return [];
    const button = (words, method, argument) => {
      const act = () => this.#call(method, { user_id: id, ...argument });
      return element("button", { "aria-label": `${words}: ${username}`, onclick: act }, words);
    };
    const make = (words, given) => button(words, "chat.set_role", { role: given });
    const isOwner = mine === "owner";
    return [
      isOwner && state === "active" && (role === "admin" ? make("Make member", "member") : make("Make admin", "admin")),
      isOwner && state === "active" && make("Make owner", "owner"),
      (isOwner || (mine === "admin" && role === "member")) && button("Remove", "chat.remove"),
    ];
  }
}

/** Let the viewer create a group of users by their names. opened(entry): called with the new chat. */
export function offerNewGroup(session, opened) {
  const form = find("new-group");
  find("begin-group").addEventListener("click", () => {
    show(form);
    form.elements.title.focus();
  });
  onSubmit(form, async (title) => {
    const names = form.elements.usernames.value.split(/[\s,،]+/u).filter(Boolean).map(toUsername);
    const users = await Promise.all(names.map((username) => session.call("user.get", { username })));
    const group = { title, user_ids: users.map(({ id }) => id), idempotency_key: crypto.randomUUID() };
    await opened(await session.call("chat.create", group));
    form.elements.usernames.value = "";
    form.hidden = true;
  });
}
