// The digest of a room that has ended: attendance over time, time on the stage, messages.
import { avatar, draw, drawing, element, find, nameButton, timeOf } from "./dom.js";

const HEIGHT = 60; // of the chart; its width is minutes
const MINUTE_MS = 60_000;

/** digest: the answer of room.digest. */
export function showDigest({ topic, host, started_at, ended_at, peak, attendance, speakers, top_messages, summary }) {
  find("digest-topic").textContent = topic;
  find("digest-host").replaceChildren(avatar(host), nameButton(host), element("span", { class: "role" }, "host"));
  find("digest-peak").textContent = `At most ${peak} users inside at once`;
  find("digest-times").replaceChildren(...[started_at, ended_at].filter(Boolean).map(timeOf));
  showAttendance(attendance, peak, ended_at);
  const longest = Math.max(1, ...speakers.map(({ seconds }) => seconds));
  draw("digest-speakers", speakers, (speaker) => speakerLine(speaker, longest));
  draw("digest-top", top_messages, ({ message, reactions }) => messageLine(message, reactions));
  draw("digest-summary", summary, (message) => messageLine(message));
}

/** Points of the curve, one for each minute from the first change to the last, for one day at most. */
function showAttendance(points, peak, endedAt) {
  const began = Date.parse(points[0]?.at ?? endedAt);
  const minutes = (time) => (Date.parse(time) - began) / MINUTE_MS;
  const width = Math.max(1, minutes(endedAt));
  const corners = points.map(({ at, count }) => [minutes(at), HEIGHT * (1 - count / (peak || 1))]);
  if (corners.length > 0) corners.push([width, corners.at(-1)[1]]);
  const line = corners.map((corner) => corner.join(" ")).join(" L ");
  const words = points.map(({ at, count }) => `${new Date(at).toLocaleTimeString([], { timeStyle: "short" })}: ${count}`);
  find("attendance").setAttribute("viewBox", `0 -2 ${width} ${HEIGHT + 2}`);
  find("attendance").replaceChildren(
    drawing("title", {}, words.join("\n")),
    drawing("path", { class: "area", d: line && `M 0 ${HEIGHT} L ${line} L ${width} ${HEIGHT} Z` }),
    drawing("path", { class: "edge", d: line && `M ${line}` }),
  );
}

function speakerLine({ user, seconds }, longest) {
  const share = element("span", { class: "share" });
  share.style.setProperty("--share", seconds / longest);
  const time = element("small", {}, timeOnStage(seconds));
  return element("li", { class: "line", "data-username": user.username }, avatar(user), nameButton(user), time, share);
}

function messageLine({ id, sender, text }, reactions = {}) {
  const counts = Object.entries(reactions).map(([emoji, count]) => `${emoji} ${count}`);
  return element(
    "li",
    { "data-id": id },
    element(
      "header",
      { class: "line" },
      avatar(sender),
      nameButton(sender),
      element("span", { class: "count" }, counts.join(" ")),
    ),
    element("p", { dir: "auto" }, text),
  );
}

function timeOnStage(seconds) {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
