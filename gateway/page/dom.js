// Elements. What people wrote only ever becomes text, never markup.

/** The element of that id. */
export const find = (id) => document.getElementById(id);

/** element("button", { class: "small", onclick: act }, "Act"); children that say nothing are left out. */
export const element = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

/** The same of SVG. */
export const drawing = (tag, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

function fill(made, attributes = {}, children = []) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children.filter(Boolean));
  return made;
}

/**
 * Fill a list. Lines that it shows already stay, so that whoever is about to click or has tabbed there keeps what they
 * aim at; so lines that look the same must do the same.
 */
export function draw(id, items, line) {
  const parent = find(id);
  const shown = [...parent.childNodes];
  for (const made of items.map(line)) {
    const place = shown.findIndex((child) => child.isEqualNode(made));
    if (place === -1) parent.insertBefore(made, shown[0] ?? null);
    else for (const passed of shown.splice(0, place + 1).slice(0, -1)) passed.remove();
  }
  for (const rest of shown) rest.remove();
}

/** Show one element instead of another. */
export function show(shown, ...hidden) {
  shown.hidden = false;
  for (const other of hidden) other.hidden = true;
}

/** What to do with the text of a form's first field: it is emptied when that is done, and sent once at a time. */
export function onSubmit(form, act) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const field = form.querySelector("input, textarea");
    const button = form.querySelector("button");
    const text = field.value.trim();
    if (!text) return;
    button.disabled = true;
    try {
      await act(text);
      if (field.value.trim() === text) field.value = "";
    } finally {
      button.disabled = false;
    }
  });
}

/** A round picture of somebody without one: the first letter of their name, in a colour of their own. */
export function avatar(user) {
  const made = element("span", { class: "avatar", "aria-hidden": "true" }, [...nameOf(user)][0]);
  made.style.setProperty("--hue", Number(BigInt(user.id) % 360n));
  return made;
}

/** Their name, kept from turning the line around it. */
export const nameTag = (user) => element("bdi", { title: `@${user.username}` }, nameOf(user));

/** The same, to press for what there is to know of them and to do about them: see card.js. */
export const nameButton = (user) => element("button", { class: "name", "data-person": user.id }, nameTag(user));

export const nameOf = (user) => user.display_name || user.username;

/** As people write it. */
export const toUsername = (text) => text.replace(/^@/, "");

export function timeOf(text) {
  const time = new Date(text);
  const today = time.toDateString() === new Date().toDateString();
  const shown = today ? time.toLocaleTimeString([], { timeStyle: "short" }) : time.toLocaleDateString();
  return element("time", { datetime: text, title: time.toLocaleString() }, shown);
}
