// The list on the left: filters, rows, keys.
import { badge, CHANNELS, clock, count, el } from "./dom.js";

const PAGE = 200;

export class Rows {
  constructor({ box, list, channels, recipient, noMatch, more, changed }) {
    Object.assign(this, { box, list, channels, recipient, noMatch, more });
    this.channel = null;
    this.shown = PAGE;
    this.fresh = new Set();
    this.selected = null;
    recipient.addEventListener("input", changed);
    more.addEventListener("click", () => { this.shown += PAGE; changed(); });
    channels.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      this.channel = button.dataset.channel || null;
      changed();
      this.channels.querySelector("[aria-pressed=true]").focus();
    });
    list.addEventListener("keydown", (event) => this.#step(event));
  }

  /** The messages that pass both filters. */
  matching() {
    const wanted = this.recipient.value.trim().toLowerCase();
    return this.box.messages.filter(
      (message) =>
        (!this.channel || message.channel === this.channel) && (!wanted || message.to.toLowerCase().includes(wanted)),
    );
  }

  draw() {
    const focused = this.list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const matching = this.matching();
    this.#drawChannels();
    this.list.replaceChildren(...matching.slice(0, this.shown).map((message) => this.#row(message)));
    this.noMatch.hidden = matching.length > 0 || this.box.messages.length === 0;
    this.more.hidden = matching.length <= this.shown;
    if (focused) this.list.querySelector(`a[href="${focused}"]`)?.focus({ preventScroll: true });
    this.fresh.clear();
  }

  select(id) {
    this.selected = id;
    for (const link of this.list.querySelectorAll("a")) {
      if (link.getAttribute("href") === `#${id}`) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  /** Moves the focus to the row after or before the selected one, and opens it. */
  open(direction) {
    const links = [...this.list.querySelectorAll("a")];
    const at = links.findIndex((link) => link.getAttribute("href") === `#${this.selected}`);
    const next = links[Math.min(Math.max(at + direction, 0), links.length - 1)];
    next?.click();
    next?.focus();
  }

  #drawChannels() {
    const choices = [["", "All", this.box.messages.length]];
    for (const [channel, name] of Object.entries(CHANNELS)) {
      choices.push([channel, name, this.box.messages.filter((message) => message.channel === channel).length]);
    }
    this.channels.replaceChildren(
      ...choices.map(([channel, name, number]) =>
        el(
          "button",
          { type: "button", "data-channel": channel, "aria-pressed": String((this.channel || "") === channel) },
          name,
          el("span", { class: "number" }, String(number)),
        ),
      ),
    );
  }

  #row(message) {
    const [first, second] = lines(message);
    return el(
      "li",
      { class: this.fresh.has(message.id) ? "fresh" : null },
      el(
        "a",
        { href: `#${message.id}`, "aria-current": message.id === this.selected ? "true" : null },
        badge(message.channel),
        el(
          "span",
          { class: "words" },
          el("span", { class: "line" }, el("span", { class: "to" }, message.to), clock(message.received_at)),
          el("span", { class: "first" }, first),
          el("span", { class: "second quiet" }, second),
        ),
      ),
    );
  }

  #step(event) {
    const directions = { ArrowDown: 1, ArrowUp: -1 };
    const row = event.target.closest("li");
    if (!row || !(event.key in directions)) return;
    event.preventDefault();
    const next = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
    next?.querySelector("a").focus();
  }
}

/** What a row says of a message: its title, and what follows it. */
export function lines(message) {
  if (message.channel === "email") return [message.subject || "(no subject)", message.preview || message.from];
  if (message.channel === "sms") return [message.body, `${count(message.segments, "segment")} · ${message.encoding}`];
  if (message.channel === "chat") return [message.title || message.text, message.title ? message.text : message.from];
  return [message.title || "(no title)", message.body];
}
