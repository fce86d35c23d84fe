// Elements. Text of users becomes text nodes only, never markup.

/** Return the element with that id. */
export const find = (id) => document.getElementById(id);

/** element("button", { class: "small", onclick: act }, "Act"); empty children are left out. */
export const element = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

/** Like `element`, for SVG. */
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
 * Fill a list, given as an element or its id. Lines with the same markup stay in place, so that the focus and the target
 * of a click do not change. Lines with the same markup must therefore do the same.
 */
export function draw(list, items, line) {
  const parent = typeof list === "string" ? find(list) : list;
  const returnFocus = noteFocus(parent);
  const shown = [...parent.childNodes];
  for (const made of items.map(line)) {
    const place = shown.findIndex((child) => child.isEqualNode(made));
    if (place === -1) parent.insertBefore(made, shown[0] ?? null);
    else for (const passed of shown.splice(0, place + 1).slice(0, -1)) passed.remove();
  }
  for (const rest of shown) rest.remove();
  returnFocus();
}

/** Return what gives the focus back to a button whose line was replaced by another with the same data attributes. */
function noteFocus(parent) {
  const focused = document.activeElement;
  const line = [...parent.children].find((child) => child.contains(focused));
  const place = line ? [...line.querySelectorAll("button")].indexOf(focused) : -1;
  if (place === -1) return () => {};
  const key = JSON.stringify(line.dataset);
  return () => {
    if (focused.isConnected) return;
    const same = [...parent.children].find(({ dataset }) => JSON.stringify(dataset) === key);
    same?.querySelectorAll("button")[place]?.focus();
  };
}

/** Label a button with a sign and a number, such as "💬 2", and for screen readers with words. */
export function showCount(button, sign, words, number = 0) {
  button.textContent = number ? `${sign} ${number}` : sign;
  button.title = button.ariaLabel = number ? `${words}: ${number}` : words;
}

/** Show one element instead of another. */
export function show(shown, ...hidden) {
  shown.hidden = false;
  for (const other of hidden) other.hidden = true;
}

/**
 * Call `act` with the text of the form's first field, one call at a time, and then empty the field. The text is empty
 * only if the field is not required.
 */
export function onSubmit(form, act) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const field = form.querySelector("input, textarea");
    const button = form.querySelector("button");
    const text = field.value.trim();
    if (!text && field.required) return;
    button.disabled = true;
    try {
      await act(text);
      if (field.value.trim() === text) field.value = "";
    } finally {
      button.disabled = false;
    }
  });
}

/** The avatar of a user: the picture, or the first letter of the name in a colour by the id. */
export function avatar(user) {
  if (!user.avatar_url) return initial(user);
  const picture = element("img", { class: "avatar", alt: "", src: user.avatar_url });
  picture.addEventListener("error", () => picture.replaceWith(initial(user)), { once: true });
  return picture;
}

function initial(user) {
  const made = element("span", { class: "avatar", "aria-hidden": "true" }, [...nameOf(user)][0]);
  made.style.setProperty("--hue", Number(BigInt(user.id) % 360n));
  return made;
}

/** The user's name, isolated so that its direction does not affect the line. */
export const nameTag = (user) => element("bdi", { title: `@${user.username}` }, nameOf(user));

/** The name as a button that opens the user's card: see card.js. */
export const nameButton = (user) => element("button", { class: "name", "data-person": user.id }, nameTag(user));

export const nameOf = (user) => user.display_name || user.username;

export const toUsername = (text) => text.replace(/^@/, "");

/** Format a time for reading. */
export function timeOf(text) {
  const time = new Date(text);
  const today = time.toDateString() === new Date().toDateString();
  const shown = today ? time.toLocaleTimeString([], { timeStyle: "short" }) : time.toLocaleDateString();
  return element("time", { datetime: text, title: time.toLocaleString() }, shown);
}
