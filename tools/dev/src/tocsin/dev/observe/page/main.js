// The page: a tab for each dashboard, drawn anew every five seconds while it is looked at.

import { el, words } from "./dom.js";
import { Message } from "./message.js";
import { Plot } from "./plot.js";
import { firing, latest, series, timesOf, valuesOf } from "./prometheus.js";
import { shown } from "./units.js";

const at = (id) => document.getElementById(id);
const { dashboards, every, links, ...looks } = await (await fetch("dashboards.json")).json();
let views = [];
let choices = {};
let round = 0;

function chosen() {
  return dashboards.find(({ name }) => name === location.hash.slice(1)) ?? dashboards[0];
}

/** Sets the frame of the dashboard that the address names, and draws it. */
async function follow() {
  const dashboard = chosen();
  document.title = `Tocsin: ${dashboard.title}`;
  at("tabs").replaceChildren(...dashboards.map(({ name, title }) => (
    el("a", { href: `#${name}`, "aria-current": name === dashboard.name && "page" }, title))));
  choices = Object.fromEntries(dashboard.choices.map(({ name, begins_with }) => [name, begins_with]));
  at("choices").replaceChildren(...await Promise.all(dashboard.choices.map(selection)));
  views = dashboard.name === "path" ? [new Message()] : dashboard.rows.flatMap(({ panels }) => panels.map(view));
  at("dashboard").replaceChildren(...(dashboard.name === "path" ? [views[0].place] : rowsOf(dashboard, [...views])));
  await draw();
}

async function selection({ name, title, metric, begins_with }) {
  const values = await valuesOf(name, metric);
  const options = [["", "all"], ...values.map((value) => [value, value])];
  return el("label", {}, `${title} `, el("select", { onchange: (event) => { choices[name] = event.target.value; draw(); } },
    options.map(([value, text]) => el("option", { value, selected: value === begins_with }, text))));
}

function rowsOf(dashboard, left) {
  return dashboard.rows.flatMap(({ title, panels }) => [
    el("h2", {}, title), el("div", { class: "row" }, panels.map(() => left.shift().frame))]);
}

/** A panel's frame, what it asks, and how it shows the answer. */
function view(panel) {
  const frame = el("section", { class: "panel", "data-kind": panel.kind, style: `--width: ${panel.width}` },
    el("h3", {}, panel.title), el("p", { class: "question" }, words(panel.question)));
  if (panel.kind === "stat") {
    const place = el("p", { class: "number" }, "–");
    frame.append(place);
    return { frame, ask: () => latest(panel, choices), show: (value) => {
      place.textContent = shown(value, panel.unit);
      place.toggleAttribute("data-none", value === null);
      place.toggleAttribute("data-bad", panel.bad_from !== null && value >= panel.bad_from);
    } };
  }
  const plot = new Plot(panel, looks);
  frame.append(plot.place, plot.legend);
  return { frame, ask: (times) => series(panel, times, choices), show: (found, { times }) => plot.draw(times, found) };
}

async function draw() {
  const mine = ++round;
  const times = timesOf(Number(at("range").value), every);
  const answer = async (one) => {
    const found = await one.ask(times);
    if (mine === round) one.show(found, times); // else another time or choice is asked for by now
  };
  const ends = await Promise.allSettled([showAlerts(), ...views.map(answer)]);
  if (mine !== round) return;
  const fault = ends.find(({ status }) => status === "rejected");
  at("dashboard").dataset.state = fault ? "failed" : "drawn";
  if (fault) {
    at("alerts").hidden = false;
    at("alerts").replaceChildren(`Prometheus does not answer: ${fault.reason.message}`);
  }
}

async function showAlerts() {
  const alerts = await firing();
  at("alerts").hidden = alerts.length === 0;
  at("alerts").replaceChildren(el("ul", {}, alerts.map(({ labels, annotations }) => el("li", {},
    el("strong", {}, labels.alertname), " ", annotations.summary ?? "", " ",
    annotations.runbook_url && el("a", { href: annotations.runbook_url }, "runbook")))));
}

at("links").replaceChildren(...Object.entries(links).map(([name, url]) => el("a", { href: url }, name)));
at("range").addEventListener("change", draw);
addEventListener("hashchange", follow);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
await follow();
setInterval(() => { if (!document.hidden) draw(); }, every * 1000);
