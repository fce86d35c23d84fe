// The users whom this tab has banned from a room. No call lists bans, and room.unban needs the user's id.

export class Bans {
  #keptAs;
  #users;

  constructor(roomId) {
    this.#keptAs = `banned from ${roomId}`;
    const kept = JSON.parse(sessionStorage.getItem(this.#keptAs) ?? "[]");
    this.#users = new Map(kept.map((user) => [user.id, user]));
  }

  get users() {
    return [...this.#users.values()];
  }

  has(userId) {
    return this.#users.has(userId);
  }

  add(user) {
    this.#users.set(user.id, user);
    this.#keep();
  }

  lift(userId) {
    if (this.#users.delete(userId)) this.#keep();
  }

  #keep() {
    sessionStorage.setItem(this.#keptAs, JSON.stringify(this.users));
  }
}
