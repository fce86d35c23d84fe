// The chart of a trend: how many people used the hashtag in each of the last hours.
import { drawing } from "./dom.js";

const HEIGHT = 24;
const GAP = 0.2; // of the width of a bar, which is 1

/** hours: counts, oldest first; 0 stands for less than 20 people. Time goes from left to right. */
export function chartOf(hours) {
  const most = Math.max(1, ...hours);
  const peak = hours.lastIndexOf(Math.max(...hours));
  const words = `People in each of the last ${hours.length} hours; at most ${most}, ${hours.length - peak} hours ago`;
  const bars = hours.map((count, hour) => {
    const height = (HEIGHT * count) / most;
    return drawing("rect", { x: hour, y: HEIGHT - height, width: 1 - GAP, height });
  });
  const shape = { class: "trend-chart", viewBox: `0 0 ${hours.length} ${HEIGHT}`, preserveAspectRatio: "none" };
  return drawing("svg", { ...shape, role: "img", "aria-label": words }, drawing("title", {}, words), ...bars);
}
