// Draws a panel of lines.

import uPlot from "../uplot/uPlot.esm.js";
import { el } from "./dom.js";
import { shown } from "./units.js";

const HEIGHT = 170;
const FEW = 6;
const OTHERS = ["#4c9f70", "#8e6bbf", "#d1813f", "#2f9fb3", "#b85c8e", "#7f8f2e", "#5b6ee1", "#9c6b4f", "#6b8797", "#c24f7d"];

/** Which lane the name of a series begins with; -1: none. */
function laneOf(name, lanes) {
  return Object.keys(lanes).findIndex((lane) => name === lane || name.startsWith(`${lane} `) || name.startsWith(`${lane},`));
}

/** What is worth a line: of many, those that were ever above 0. */
function worthALine(found) {
  const moving = found.filter(({ values }) => values.some((value) => value));
  return found.length > FEW && moving.length ? moving : found;
}

export class Plot {
  #plot;
  #colours;

  /** `lanes` are their colours, `usual` is how the name of a median ends. */
  constructor(panel, { lanes, usual }) {
    this.panel = panel;
    this.lanes = lanes;
    this.usual = usual;
    this.place = el("div", { class: "plot" });
    this.legend = el("ul", { class: "legend" });
    new ResizeObserver(() => this.#plot?.setSize({ width: this.place.clientWidth, height: HEIGHT })).observe(this.place);
  }

  /** Shows these series. */
  draw(times, found) {
    const colours = Object.values(this.lanes);
    const drawn = worthALine(found)
      .map((one) => ({ ...one, lane: laneOf(one.name, this.lanes), usual: one.name.endsWith(this.usual) }))
      .sort((one, other) => one.lane - other.lane)
      .map((one, index) => ({ ...one, colour: colours[one.lane] ?? OTHERS[index % OTHERS.length] }));
    this.left = found.length - drawn.length;
    if (!drawn.length) return this.#nothing();
    const key = drawn.map(({ name }) => name).join("\n") + getComputedStyle(this.place).color;
    if (key !== this.#colours) this.#begin(drawn, key);
    this.drawn = drawn;
    this.#plot.setData([times, ...drawn.map(({ values }) => values)]);
    this.#say(times.length - 1);
    return undefined;
  }

  #nothing() {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.#colours = undefined;
    this.legend.replaceChildren();
    this.place.replaceChildren(el("p", { class: "nothing" }, this.panel.empty || "Nothing in this time"));
  }

  #begin(drawn, key) {
    this.#plot?.destroy();
    this.place.replaceChildren();
    this.#colours = key;
    const { color, borderTopColor } = getComputedStyle(this.place);
    const axis = { stroke: color, font: "11px sans-serif", grid: { stroke: borderTopColor, width: 1 }, ticks: { show: false } };
    const unit = this.panel.unit;
    this.#plot = new uPlot({
      width: this.place.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { sync: { key: "all" }, points: { size: 5 }, drag: { x: false, y: false } },
      scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
      axes: [
        { ...axis, size: 30, values: [[3600, "{HH}:{mm}"], [60, "{HH}:{mm}"], [1, "{HH}:{mm}:{ss}"]].map(([incr, form]) => [incr, form, null, null, null, null, null, null, 1]) },
        { ...axis, size: 62, values: (_, marks) => marks.map((mark) => shown(mark, unit)) },
      ],
      series: [{}, ...drawn.map(({ colour, usual }) => ({ stroke: colour, width: 1.75, dash: usual ? [4, 4] : undefined, points: { show: false }, spanGaps: false }))],
      hooks: { setCursor: [(plot) => this.#say(plot.cursor.idx ?? plot.data[0].length - 1)] },
    }, [[], ...drawn.map(() => [])], this.place);
  }

  /** The values at one time, in the legend. */
  #say(index) {
    const items = (this.drawn ?? []).map(({ name, colour, usual, values }) => el("li", {},
      el("i", { style: `color: ${colour}`, "data-usual": usual }), name, " ", el("b", {}, shown(values[index], this.panel.unit))));
    if (this.left) items.push(el("li", { class: "quiet" }, `and ${this.left} at 0`));
    this.legend.replaceChildren(...items);
  }
}
