// The card of a user: profile, buttons to follow and to talk, and actions on the user in a room. Every name opens it.
import { offerAvatar } from "./avatar_form.js";
import { avatar, draw, element, find, nameTag, onSubmit, toUsername } from "./dom.js";

export class Card {
  #session;
  #people;
  #room;
  #chats;
  #me;
  #user; // whom it shows

  constructor(session, people, room, chats) {
    this.#session = session;
    this.#people = people;
    this.#room = room;
    this.#chats = chats;
    room.onChange = () => this.#isOpen && this.#show();
    document.addEventListener("click", (event) => {
      const pressed = event.target.closest("[data-person]");
      if (pressed) this.open({ user_id: pressed.dataset.person });
    });
    offerAvatar(session, (user) => {
      people.showMe(user);
      this.#user = user;
      this.#show();
    });
    onSubmit(find("find-person"), (name) => this.open({ username: toUsername(name) }));
  }

  load(me) {
    this.#me = me;
  }

  get #isOpen() {
    return find("card").matches(":popover-open");
  }

  async open(whom) {
    await this.#look(whom);
    find("card-reason").value = "";
    if (!this.#isOpen) find("card").showPopover();
  }

  async #look(whom) {
    this.#user = await this.#session.call("user.get", whom);
    this.#show();
  }

  #show() {
    const { username, bio, post_count, follower_count, following_count, viewer } = this.#user;
    const name = element("strong", {}, nameTag(this.#user));
    find("card-who").replaceChildren(avatar(this.#user), name, element("small", {}, `@${username}`));
    find("card-bio").textContent = bio;
    const counts = [`${post_count} posts`, `${follower_count} followers`, `${following_count} followed`];
    if (viewer.followed_by) counts.push("follows you");
    find("card-counts").textContent = counts.join(" · ");
    draw("card-following", this.#acts, ([words, act]) => this.#button(words, act));
    find("card-avatar").hidden = this.#user.id !== this.#me.id;
    const acts = this.#room.actsOn(this.#user);
    find("card-room").hidden = acts.length === 0;
    find("card-reason").hidden = !acts.some(({ takesReason }) => takesReason);
    draw("card-acts", acts, (act) => this.#roomButton(act));
  }

  /** The buttons for following and talking, as [label, action]. */
  get #acts() {
    const { id, is_private, viewer } = this.#user;
    if (id === this.#me.id) return [];
    const unfollow = () => this.#people.unfollow(this.#user);
    const follow = () => this.#people.follow(this.#user);
    const talk = () => {
      find("card").hidePopover();
      return this.#chats.openWith(this.#user);
    };
    return [
      viewer.follows && ["Unfollow", unfollow],
      viewer.requested && ["Withdraw the request", unfollow],
      !viewer.follows && !viewer.requested && [is_private ? "Request to follow" : "Follow", follow],
      ["Message", talk],
    ].filter(Boolean);
  }

  #button(words, act) {
    const actAndLook = async () => {
      const { id } = this.#user;
      await act();
      if (this.#isOpen && this.#user.id === id) await this.#look({ user_id: id });
    };
    return element("button", { onclick: actAndLook }, words);
  }

  #roomButton(act) {
    const actAndClose = () => {
      find("card").hidePopover();
      return this.#room.act(act, act.takesReason && find("card-reason").value.trim());
    };
    return element("button", { "data-user-id": act.user.id, onclick: actAndClose }, act.words);
  }
}
