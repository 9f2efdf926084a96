import { icon, make } from "./dom.js";

/**
 * The bell, and the panel: a modal dialog, which brings Esc, the way back of the focus, and a page that is inert behind it.
 * `does` has `open`, `show(tab)`, `settings` and `more` for what the person asks for.
 */
export class Panel {
  tabs = {};

  constructor(labels, does) {
    const square = (name, onclick) => make("button", name, { "aria-label": labels[name], title: labels[name], onclick }, icon(name));
    const tab = (name) => (this.tabs[name] = make("button", "tab", { onclick: () => does.show(name) }, labels[name]));
    this.labels = labels;
    this.count = make("span", "count", { "aria-hidden": "true", hidden: true });
    this.bell = make("button", "bell", { "aria-haspopup": "dialog", "aria-expanded": "false", onclick: does.open }, icon("bell"), this.count);
    this.title = make("h2", "title", { id: "title", tabindex: "-1" });
    this.back = square("back", () => does.show());
    this.settings = square("preferences", does.settings);
    this.bar = make("div", "tabs", { role: "group", "aria-label": labels.title }, ...["all", "unread", "archived"].map(tab));
    this.note = make("p", "note", { role: "status" });
    this.list = make("ul", "list", { role: "list" });
    this.empty = make("p", "note", { hidden: true }, labels.empty);
    this.choices = make("div", "choices");
    this.more = make("button", "more", { hidden: true, onclick: does.more }, labels.more);
    // A page behind a modal dialog is not read out, so there is a place within for what is new, and one outside.
    this.heard = [0, 1].map(() => make("p", "said", { "aria-live": "polite" }));
    this.items = make("div", "items", {}, this.list, this.empty, this.more);
    const body = make("div", "body", {}, this.items, this.choices);
    const header = make("header", "header", {}, this.back, this.title, this.settings, square("close", () => this.dialog.close()));
    this.dialog = make(
      "dialog",
      "panel",
      {
        "aria-labelledby": "title",
        onclose: () => this.bell.setAttribute("aria-expanded", "false"),
        onclick: (event) => this.#isBeside(event) && this.dialog.close(),
        onkeydown: (event) => event.key === "Tab" && this.#keepFocus(event),
      },
      header, this.bar, this.note, body, this.heard[1],
    );
    this.nodes = [this.bell, this.dialog, this.heard[0]];
  }

  open() {
    this.dialog.showModal();
    this.bell.setAttribute("aria-expanded", "true");
    this.place();
    this.title.focus();
  }

  /** Below the bell where there is room, and within the window. */
  place() {
    const at = this.bell.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height, style } = this.dialog;
    const start = getComputedStyle(this.bell).direction === "rtl" ? at.left : at.right - width;
    style.left = `${Math.max(8, Math.min(start, innerWidth - width - 8))}px`;
    style.top = `${Math.max(8, Math.min(at.bottom + 6, innerHeight - height - 8))}px`;
  }

  say(text) {
    this.heard[Number(this.dialog.open)].textContent = text;
  }

  showCounts({ unseen }) {
    const { labels, count, bell } = this;
    count.hidden = !unseen;
    count.textContent = unseen > 99 ? "99+" : unseen;
    bell.setAttribute("aria-label", labels.title + (unseen ? `, ${labels.unseen.replace("{n}", unseen)}` : ""));
  }

  /** The list under a tab; without one, the preferences. */
  turnTo(tab) {
    for (const name in this.tabs) this.tabs[name].setAttribute("aria-pressed", String(name === tab));
    this.back.hidden = this.choices.hidden = Boolean(tab);
    this.settings.hidden = this.bar.hidden = this.items.hidden = !tab;
    this.title.textContent = tab ? this.labels.title : this.labels.preferences;
  }

  #isBeside({ target, clientX: x, clientY: y }) {
    const box = this.dialog.getBoundingClientRect();
    return target === this.dialog && (x < box.left || x > box.right || y < box.top || y > box.bottom);
  }

  /** Tab goes round within the panel, where browsers would lead out of the page. */
  #keepFocus(event) {
    const stops = [...this.dialog.querySelectorAll("button, a, input")].filter((node) => node.checkVisibility() && !node.disabled);
    const [from, to] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
    const active = this.dialog.getRootNode().activeElement;
    if (active !== from && !(event.shiftKey && active === this.title)) return;
    event.preventDefault();
    to.focus();
  }
}
