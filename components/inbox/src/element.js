import { Client } from "./client.js";
import { checkbox, preferences } from "./preferences.js";
import { LABELS } from "./labels.js";
import { Live } from "./live.js";
import { make } from "./dom.js";
import { Panel } from "./panel.js";
import { row } from "./row.js";
import STYLE from "./style.css";

const PAGE = 20;
const FITS = {
  all: (item) => !item.archived_at,
  unread: (item) => !item.archived_at && !item.read_at,
  archived: (item) => item.archived_at,
};

/** `<tocsin-inbox address="https://…">`: a person's inbox as a bell with a count, and a panel. README.md says how it is used. */
export class TocsinInbox extends HTMLElement {
  static observedAttributes = ["address"];
  #labels = LABELS;
  #token;
  #stopping = new AbortController();
  #client;
  #live;
  #counts = { unseen: 0, unread: 0 };
  #items = new Map();
  #rows;
  #tab = "all";
  #cursor;
  #saved = Promise.resolve();
  #panel;
  #root = this.attachShadow({ mode: "open" });

  constructor() {
    super();
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    this.#root.adoptedStyleSheets = [sheet];
    this.#build();
  }

  /** A token of the person, or a function that gets one; it is asked again when that one is no longer taken. Whoever sets it connects. */
  set token(token) {
    this.#token = token;
    this.#start();
  }

  /** Words in place of the English ones; those that are left out stay. */
  set labels(labels) {
    this.#labels = { ...LABELS, ...labels };
    this.#build();
  }

  connectedCallback() {
    // What the page has set before this file was loaded lies in front of the setters.
    for (const name of ["labels", "token"]) {
      const given = Object.hasOwn(this, name) && this[name];
      if (given && delete this[name]) this[name] = given;
    }
    this.#start();
  }

  disconnectedCallback() {
    this.#stopping.abort();
  }

  attributeChangedCallback() {
    this.#start();
  }

  open() {
    if (this.#panel.dialog.open) return;
    this.#panel.open();
    this.#show("all");
  }

  close() {
    this.#panel.dialog.close();
  }

  #build() {
    this.#panel = new Panel(this.#labels, {
      open: () => this.open(),
      show: (tab = this.#tab) => this.#show(tab),
      settings: () => this.#showPreferences(),
      more: () => this.#load(this.#cursor),
    });
    this.#rows = new WeakMap();
    this.#panel.turnTo(this.#tab);
    this.#panel.showCounts(this.#counts);
    this.#root.replaceChildren(...this.#panel.nodes);
  }

  /** Begins anew with what the page says now; nothing of another person stays. */
  #start() {
    this.#stopping.abort();
    const address = this.getAttribute("address");
    if (!this.isConnected || !address || !this.#token) return;
    const { signal } = (this.#stopping = new AbortController());
    addEventListener("resize", () => this.#panel.place(), { signal });
    this.#items.clear();
    this.#draw();
    this.#client = new Client(address, this.#token, signal);
    this.#live = new Live(this.#client, {
      item: (item) => this.#came(item),
      changed: (item) => this.#put(item),
      counts: (counts) => this.#count(counts),
      caughtUp: () => this.#panel.dialog.open && !this.#panel.items.hidden && this.#load(),
      state: (state) => this.#state(state),
      refused: (error) => this.#refuse(error),
    });
    this.#live.follow();
    this.#device().then((device) => device?.keep()).catch(() => {}); // the next page tries again
  }

  #came(item) {
    const isNew = !this.#items.has(item.id);
    this.#put(item);
    if (!isNew) return;
    this.#panel.say(item.title);
    this.#tell("item", { item });
  }

  #put(item) {
    this.#items.set(item.id, item);
    this.#draw();
  }

  #count(counts) {
    this.#counts = counts;
    this.#panel.showCounts(counts);
    this.#tell("counts", counts);
  }

  #state(state) {
    this.setAttribute("state", state);
    this.#note(this.#labels[state] ?? "");
  }

  #refuse({ status, code }) {
    this.#state("refused");
    this.#tell("refused", { status, code });
  }

  #note(text) {
    this.#panel.note.textContent = text;
  }

  /** Tells the page, as the event `tocsin-…`; false where it wants to act itself. */
  #tell(name, detail) {
    return this.dispatchEvent(new CustomEvent(`tocsin-${name}`, { detail, bubbles: true, composed: true, cancelable: true }));
  }

  /** What the person asked for. Where it fails they are told, and nothing has changed: undefined. */
  async #ask(method, path, body) {
    const client = this.#client;
    try {
      const said = await client.call(method, path, body);
      this.#note("");
      return client === this.#client ? said : undefined;
    } catch (error) {
      if (error.status === 401) this.#refuse(error);
      else if (!client.signal.aborted) this.#note(error.status ? this.#labels.failed : this.#labels.offline);
    }
  }

  async #load(cursor) {
    const tab = this.#tab;
    const asked = new URLSearchParams({ limit: PAGE, ...(tab !== "all" && { [tab]: true }), ...(cursor && { cursor }) });
    const page = this.#client && (await this.#ask("GET", `inbox/items?${asked}`));
    if (!page || tab !== this.#tab) return;
    if (!cursor) this.#items.clear();
    for (const item of page.data) this.#items.set(item.id, item);
    this.#cursor = page.next_cursor;
    this.#panel.more.hidden = !page.has_more;
    this.#draw();
    const counts = this.#counts.unseen && (await this.#ask("POST", "inbox/items/seen", { until: Math.max(this.#live.last, ...page.data.map((item) => item.seq)) }));
    if (counts) this.#count(counts);
  }

  #show(tab) {
    this.#tab = tab;
    this.#panel.turnTo(tab);
    this.#items.clear();
    this.#load();
  }

  /** Shows the items that fit the tab, and keeps the focus where the person is. */
  #draw() {
    const { list, empty, title, dialog } = this.#panel;
    const shown = [...this.#items.values()].filter(FITS[this.#tab]).sort((a, b) => b.seq - a.seq);
    const active = this.#root.activeElement;
    const left = active?.closest("li");
    const place = [...list.children].indexOf(left);
    if (dialog.open) list.replaceChildren(...shown.map((item) => this.#row(item)));
    if (left && active !== this.#root.activeElement) {
      const same = [...list.children].find((node) => node.dataset.id === left.dataset.id);
      const near = same ?? list.children[Math.min(place, list.children.length - 1)];
      const stops = [...(near?.querySelectorAll("[data-act]") ?? [])];
      (stops.find((node) => node.dataset.act === active.dataset.act) ?? stops[0] ?? title).focus();
    }
    empty.hidden = shown.length;
  }

  /** The row of an item: the same node until the item is another. */
  #row(item) {
    if (!this.#rows.has(item)) {
      const path = `inbox/items/${encodeURIComponent(item.id)}`;
      // One after the other, so that no answer is overtaken by that of a later change.
      const save = (...asked) => {
        this.#saved = this.#saved.then(async () => {
          const changed = await this.#ask(...asked);
          if (changed) this.#put(changed);
        });
      };
      const node = row(item, {
        labels: this.#labels,
        language: this.closest("[lang]")?.lang || undefined,
        change: (_, body) => save("PATCH", path, body),
        press: (_, name) => save("POST", `${path}/actions/${encodeURIComponent(name)}`),
        go: (event, item, url, action) => this.#tell("open", { item, url, action }) || event.preventDefault(),
      });
      this.#rows.set(item, node);
    }
    return this.#rows.get(item);
  }

  async #showPreferences() {
    const said = await this.#ask("GET", "me/preferences");
    if (!said) return;
    const boxes = preferences(said, { labels: this.#labels, ask: (...asked) => this.#ask(...asked) });
    const device = await this.#device().catch(() => undefined);
    if (device) boxes.push(make("fieldset", "category", {}, checkbox(this.#labels.pushHere, { checked: device.isOn, onchange: (event) => this.#switchPush(event, device) })));
    this.#panel.choices.replaceChildren(...boxes);
    this.#panel.turnTo();
    this.#panel.title.focus();
  }

  /** This browser as a device; undefined where the page has not asked for push messages. */
  async #device() {
    const [worker, key, app] = ["worker", "vapid-key", "app"].map((name) => this.getAttribute(name));
    if (!worker || !key) return undefined;
    const { browserDevice } = await import("./tocsin-inbox-push.js");
    return browserDevice({ worker, key, app, client: this.#client, told: (detail) => this.#tell("push", detail) });
  }

  async #switchPush({ target }, device) {
    try {
      await (target.checked ? device.add() : device.remove());
    } catch {
      target.checked = !target.checked;
      this.#note(this.#labels.failed);
    }
  }
}

customElements.get("tocsin-inbox") ?? customElements.define("tocsin-inbox", TocsinInbox);
