// Somebody's card: who they are, and following them. Every name opens it.
import { avatar, draw, element, find, nameTag, onSubmit } from "./dom.js";

export class Card {
  #session;
  #people;
  #me;
  #user; // whom it shows

  constructor(session, people) {
    this.#session = session;
    this.#people = people;
    document.addEventListener("click", (event) => {
      const pressed = event.target.closest("[data-person]");
      if (pressed) this.#open({ user_id: pressed.dataset.person });
    });
    onSubmit(find("find-person"), (name) => this.#open({ username: name.replace(/^@/, "") }));
  }

  load(me) {
    this.#me = me;
  }

  get #isOpen() {
    return find("card").matches(":popover-open");
  }

  async #open(whom) {
    await this.#look(whom);
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
    const act = this.#following;
    draw("card-following", act ? [act] : [], ([words, follow]) => this.#button(words, follow));
  }

  /** What may be done about following them: the words and the act. */
  get #following() {
    const { id, is_private, viewer } = this.#user;
    if (id === this.#me.id) return null;
    if (viewer.follows) return ["Unfollow", () => this.#people.unfollow(this.#user)];
    if (viewer.requested) return ["Take the request back", () => this.#people.unfollow(this.#user)];
    return [is_private ? "Ask to follow" : "Follow", () => this.#people.follow(this.#user)];
  }

  #button(words, act) {
    const actAndLook = async () => {
      const { id } = this.#user;
      await act();
      if (this.#isOpen && this.#user.id === id) await this.#look({ user_id: id });
    };
    return element("button", { onclick: actAndLook }, words);
  }
}
