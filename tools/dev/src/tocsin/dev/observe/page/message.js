// One message: the slow ones to choose from, and what is known of the one that was chosen.

import { el, table } from "./dom.js";
import { messages } from "./prometheus.js";
import { shown } from "./units.js";

const MOST = 12;

export class Message {
  constructor() {
    this.input = el("input", { name: "id", placeholder: "notification id", "aria-label": "Notification id", spellcheck: "false" });
    this.slow = el("div");
    this.timeline = el("div");
    this.lines = el("pre");
    const form = el("form", { onsubmit: (event) => { event.preventDefault(); this.#look(); } }, this.input, el("button", {}, "Look"));
    this.place = el("div", { class: "message" },
      card("The message", "What was decided, which provider was asked, and what came of it?", "wide", form, this.timeline),
      card("Slow messages", "Which messages of this time took longest? One example of each bucket.", "", this.slow),
      card("Log lines", "Which processes spoke of it?", "", this.lines));
  }

  /** The slow messages of this time. */
  async ask(times) {
    return (await messages("tocsin_hand_off_seconds_bucket", times)).slice(0, MOST);
  }

  show(found) {
    this.slow.replaceChildren(found.length
      ? table(["took", "lane", "channel", "ended", "notification"], found.map((message) => [
        shown(message.seconds, "s"), message.lane, message.channel, message.outcome, this.#link(message.notification_id)]))
      : el("p", { class: "quiet" }, "None in this time"));
  }

  #link(id) {
    return el("a", { href: "#path", onclick: (event) => { event.preventDefault(); this.input.value = id; this.#look(); } }, id);
  }

  async #look() {
    const id = this.input.value.trim();
    const [timeline, lines] = await Promise.all([fetch(`timelines/${encodeURIComponent(id)}`), fetch(`lines/${encodeURIComponent(id)}`)]);
    const known = await timeline.json();
    this.timeline.replaceChildren(known.timeline
      ? table(["at (UTC)", "status", "channel", "provider", "why"], known.timeline.map((entry) => [
        entry.at.slice(11, 23), entry.status, entry.channel, entry.provider, entry.rule ?? entry.reason]))
      : el("p", { class: "quiet" }, known.detail ?? "Nothing is known of it."));
    const said = lines.ok ? await lines.json() : [];
    this.lines.textContent = said.length ? said.join("\n") : "None: what goes well leaves no line.";
  }
}

function card(title, question, kind, ...children) {
  return el("section", { class: `panel ${kind}` }, el("h3", {}, title), el("p", { class: "question" }, question), children);
}
