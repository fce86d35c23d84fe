// The explore tab: trends of a governorate, posts and videos that trend, and people whom the viewer may know.
import { avatar, draw, element, find, nameButton } from "./dom.js";
import { excerptOf } from "./excerpt.js";
import { HashtagPage } from "./hashtag_page.js";
import { hashtagButton } from "./hashtags.js";
import { MediaList } from "./media_list.js";
import { chooseTab, offerTabs } from "./tabs.js";
import { chartOf } from "./trend_chart.js";

const PEOPLE = 10;
const GOVERNORATES = [
  "alexandria", "aswan", "asyut", "beheira", "beni_suef", "cairo", "dakahlia", "damietta", "faiyum", "gharbia",
  "giza", "ismailia", "kafr_el_sheikh", "luxor", "matruh", "minya", "monufia", "new_valley", "north_sinai",
  "port_said", "qalyubia", "qena", "red_sea", "sharqia", "sohag", "south_sinai", "suez",
];

export class Explore {
  #session;
  #people;
  #open;
  #hashtag;
  #latestTrends;

  /** people: follows users. open(postId): shows a post in the feed. */
  constructor(session, people, open) {
    this.#session = session;
    this.#people = people;
    this.#open = open;
    this.#hashtag = new HashtagPage(session, this.#open);
    draw("trends-of", ["", ...GOVERNORATES], (name) => element("option", { value: name }, wordsOf(name)));
    find("trends-of").addEventListener("change", () => this.#listTrends());
    offerTabs(() => this.load());
  }

  async load() {
    if (find("explore").hidden) return;
    const [{ posts, videos, people }] = await Promise.all([this.#session.call("explore.get"), this.#listTrends()]);
    draw("trending-posts", posts, (post) => this.#postLine(post));
    draw("trending-videos", videos, (post) => this.#postLine(post, this.#filesOf(post)));
    this.#showPeople(people);
  }

  /** Show the posts of a hashtag. */
  async openHashtag(tag) {
    chooseTab("explore");
    await Promise.all([this.#hashtag.open(tag), this.load()]);
  }

  async #listTrends() {
    const latest = (this.#latestTrends = {});
    const governorate = find("trends-of").value;
    const { items } = await this.#session.call("explore.trends", governorate ? { governorate } : {});
    if (latest === this.#latestTrends) draw("trends", items, trendLine);
  }

  #showPeople(people) {
    draw("may-know", people, (person) => this.#personLine(person));
  }

  #personLine({ user, common_count, follows_you }) {
    const act = (words, call) => {
      const actAndLook = async () => {
        await call();
        this.#showPeople((await this.#session.call("explore.people", { limit: PEOPLE })).items);
      };
      return element("button", { "aria-label": `${words}: ${user.username}`, onclick: actAndLook }, words);
    };
    const words = [common_count > 0 && `${common_count} in common`, follows_you && "follows you"].filter(Boolean);
    return element(
      "li",
      { class: "line", "data-username": user.username },
      avatar(user),
      nameButton(user),
      element("small", {}, words.join(" · ")),
      element(
        "span",
        { class: "controls" },
        act("Follow", () => this.#people.follow(user)),
        act("Dismiss", () => this.#session.call("explore.dismiss_person", { user_id: user.id })),
      ),
    );
  }

  #postLine(post, ...more) {
    return element("li", { "data-id": post.id }, ...excerptOf(post, this.#open), ...more);
  }

  #filesOf({ media }) {
    const files = new MediaList(this.#session);
    files.show(media);
    return files.element;
  }
}

function trendLine({ name, people, hours }) {
  const count = element("small", {}, `${people >= 1_000 ? "1,000 or more" : people} people`);
  return element("li", {}, element("div", { class: "line" }, hashtagButton(name), count), chartOf(hours));
}

const wordsOf = (governorate) =>
  governorate.replaceAll("_", " ").replace(/\b\p{L}/gu, (letter) => letter.toUpperCase()) || "all of Egypt";
