// The tabs of the feed and of explore.
import { find } from "./dom.js";

const PANES = { feed: "feed-pane", explore: "explore" }; // name of the tab → id of what it shows

/** Show one of the tabs. */
export function chooseTab(chosen) {
  for (const name of Object.keys(PANES)) {
    const isChosen = name === chosen;
    find(PANES[name]).hidden = !isChosen;
    find(`${name}-tab`).ariaSelected = String(isChosen);
    find(`${name}-tab`).tabIndex = isChosen ? 0 : -1;
  }
}

/** Let the viewer choose. onChosen(): called when a tab is chosen. */
export function offerTabs(onChosen) {
  const tabs = Object.keys(PANES).map((name) => find(`${name}-tab`));
  for (const [place, name] of Object.keys(PANES).entries()) {
    tabs[place].addEventListener("click", () => {
      chooseTab(name);
      return onChosen();
    });
    tabs[place].addEventListener("keydown", ({ key }) => {
      if (!["ArrowLeft", "ArrowRight"].includes(key)) return;
      const other = tabs[1 - place];
      other.focus();
      other.click();
    });
  }
}
