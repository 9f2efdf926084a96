// What was caught, newest first, kept as the catcher keeps it.

const KEPT = 2000;

export class Box {
  /** `changed()` after every change, `caught(message)` for each that arrives live, `live(state)` for the connection. */
  constructor({ changed, caught, live }) {
    this.messages = [];
    this.loaded = false;
    this.changed = changed;
    this.caught = caught;
    this.live = live;
    this.arrived = [];
  }

  /** Follows the catcher for as long as the page is open; the browser reconnects by itself. */
  follow() {
    const stream = new EventSource("api/stream");
    stream.addEventListener("hello", () => this.load());
    stream.addEventListener("caught", (event) => this.add(JSON.parse(event.data)));
    stream.addEventListener("cleared", () => this.empty());
    stream.addEventListener("error", () => this.live("connecting"));
  }

  /** Reads the whole list; what arrives while it is read stands before it. */
  async load() {
    this.arrived = [];
    const answer = await fetch("api/messages?brief=true");
    const listed = await answer.json();
    const known = new Set(listed.map((message) => message.id));
    this.messages = [...this.arrived.filter((message) => !known.has(message.id)), ...listed];
    this.loaded = true;
    this.live("live");
    this.changed();
  }

  add(message) {
    this.arrived.unshift(message);
    if (this.messages.some((other) => other.id === message.id)) return;
    this.messages.unshift(message);
    this.messages.length = Math.min(this.messages.length, KEPT);
    this.arrived.length = Math.min(this.arrived.length, KEPT);
    this.caught(message);
    this.changed();
  }

  empty() {
    this.messages = [];
    this.arrived = [];
    this.changed();
  }

  async clear() {
    await fetch("api/messages", { method: "DELETE" });
  }

  find(id) {
    return this.messages.find((message) => message.id === id);
  }

  /** The other messages of the same notification, oldest first. */
  siblings(message) {
    if (!message.notification_id) return [];
    return this.messages.filter((other) => other.notification_id === message.notification_id).reverse();
  }
}
