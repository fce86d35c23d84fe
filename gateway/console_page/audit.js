// The audit trail, newest first, for admins.
import { element, find } from "./dom.js";
import { readTime } from "./words.js";

export class AuditTrail {
  #session;
  #cursor = null;

  constructor(session) {
    this.#session = session;
    find("audit-search").addEventListener("submit", (event) => {
      event.preventDefault();
      return this.load();
    });
    find("more-audit").addEventListener("click", () => this.#loadMore());
  }

  load() {
    this.#cursor = null;
    find("audit-rows").replaceChildren();
    return this.#loadMore();
  }

  async #loadMore() {
    const { actor, action, resource } = Object.fromEntries(new FormData(find("audit-search")));
    const page = await this.#session.call("audit.search", {
      ...(actor && { actor_id: actor.trim() }),
      ...(action && { action: action.trim() }),
      ...(resource && { resource: resource.trim() }),
      ...(this.#cursor && { cursor: this.#cursor }),
    });
    this.#cursor = page.next_cursor;
    find("more-audit").hidden = !this.#cursor;
    find("audit-rows").append(
      ...page.items.map((row) =>
        element(
          "tr",
          {},
          element("td", {}, readTime(row.recorded_at)),
          element("td", { dir: "ltr" }, row.actor_id ?? "–"),
          element("td", { dir: "ltr" }, row.action),
          element("td", { dir: "ltr" }, row.resource),
          element("td", { dir: "ltr" }, JSON.stringify(row.changes)),
        ),
      ),
    );
  }
}
