// The pane on the right: one message, its tabs, its way to the others of the same notification.
import { badge, CHANNELS, clock, el, icon, PROVIDERS } from "./dom.js";
import { views } from "./views.js";

export class Reader {
  constructor({ box, pane, back }) {
    Object.assign(this, { box, pane, back });
    this.message = null;
    this.tab = null;
    this.stop = () => {};
  }

  /** Shows a message; a tab of the same name as the last one stays chosen. Null shows nothing. */
  async show(brief) {
    this.stop();
    this.message = brief;
    if (!brief) {
      this.pane.replaceChildren();
      return;
    }
    const answer = await fetch(`api/messages/${brief.id}`);
    if (this.message !== brief) return; // another one was chosen meanwhile
    if (!answer.ok) {
      this.pane.replaceChildren(el("p", { class: "note" }, "This message is no longer kept."));
      return;
    }
    this.full = await answer.json();
    this.#draw();
  }

  /** Draws the message's company again when others of its notification arrive. */
  refresh(caught) {
    if (!this.message || !this.full || this.full.id !== this.message.id) return;
    const related =
      (caught.notification_id && caught.notification_id === this.message.notification_id) ||
      (this.message.channel === "sms" && caught.channel === "sms" && caught.to === this.message.to);
    if (!related) return;
    this.pane.querySelector(".company")?.replaceWith(this.#company());
    if (this.tab === "Conversation") this.#open(this.tab);
  }

  /** Opens a tab by name, if this message has it. */
  choose(name) {
    if (this.tabs?.some((tab) => tab.name === name)) this.#open(name, true);
  }

  #draw() {
    const message = this.full;
    this.tabs = views(message, this.box);
    const names = this.tabs.map((tab) => tab.name);
    const bar = el(
      "div",
      { class: "tabs", role: "tablist", "aria-label": "Views", onkeydown: (event) => this.#turn(event) },
      names.map((name) =>
        el("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "view", onclick: () => this.#open(name) }, name),
      ),
    );
    this.view = el("div", { id: "view", class: "view", role: "tabpanel", tabindex: "0" });
    this.pane.replaceChildren(
      el(
        "header",
        { class: "head" },
        el("button", { type: "button", class: "plain back", onclick: this.back }, icon("back"), "Messages"),
        el("div", { class: "title" }, badge(message.channel), el("h1", { tabindex: "-1" }, title(message))),
        el(
          "p",
          { class: "who" },
          el("span", { class: "quiet" }, "From "), el("span", {}, message.from),
          el("span", { class: "quiet" }, " to "), el("span", {}, message.to),
          message.provider && [el("span", { class: "quiet" }, " by "), el("span", {}, PROVIDERS[message.provider] ?? message.provider)],
          el("span", { class: "quiet" }, " at "), clock(message.received_at),
        ),
        this.#company(),
      ),
      bar,
      this.view,
    );
    this.#open(names.includes(this.tab) ? this.tab : names[0]);
  }

  #company() {
    const siblings = this.box.siblings(this.full);
    if (siblings.length < 2) return el("p", { class: "company", hidden: true });
    return el(
      "p",
      { class: "company" },
      el("span", { class: "quiet" }, "This notification"),
      siblings.map((other) =>
        el(
          "a",
          { class: "chip", "data-channel": other.channel, href: `#${other.id}`, "aria-current": other.id === this.full.id ? "true" : null },
          icon(other.channel),
          CHANNELS[other.channel],
        ),
      ),
    );
  }

  #open(name, focus = false) {
    this.stop();
    this.tab = name;
    for (const button of this.pane.querySelectorAll("[role=tab]")) {
      const chosen = button.id === `tab-${name}`;
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
      if (chosen && focus) button.focus();
    }
    this.view.setAttribute("aria-labelledby", `tab-${name}`);
    this.view.className = `view view-${name.toLowerCase()}`;
    this.stop = this.tabs.find((tab) => tab.name === name).draw(this.view) ?? (() => {});
  }

  #turn(event) {
    const directions = { ArrowRight: 1, ArrowLeft: -1 };
    if (!(event.key in directions)) return;
    event.preventDefault();
    const at = this.tabs.findIndex((tab) => tab.name === this.tab) + directions[event.key];
    this.#open(this.tabs[(at + this.tabs.length) % this.tabs.length].name, true);
  }
}

function title(message) {
  if (message.channel === "email") return message.subject || "(no subject)";
  if (message.channel === "sms") return "Text message";
  if (message.channel === "chat") return message.title || "Chat message";
  return message.title || "Push without a title";
}
