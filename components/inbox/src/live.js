const LONGEST_WAIT = 30; // seconds between two attempts
const OPENING = 10_000; // milliseconds after which a stream that did not open is given up
const PAGE = 20;

/**
 * What is new, as it comes: by a stream (server-sent events), and where none can be had by asking at growing intervals.
 *
 * `on` has a method for each: `item(item)`, `changed(item)`, `counts(counts)`, `caughtUp()`, `state(state)`, `refused(error)`.
 */
export class Live {
  #client;
  #on;
  #last;

  constructor(client, on) {
    this.#client = client;
    this.#on = on;
  }

  /** The highest number of an item that is known. */
  get last() {
    return this.#last ?? 0;
  }

  async follow() {
    const { signal } = this.#client;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#catchUp();
        this.#on.state(failures ? "polling" : "connecting");
        failures = (await this.#stream()) ? 0 : failures + 1;
      } catch (error) {
        if (signal.aborted) return;
        if (error.status === 401 || error.status === 403) return this.#on.refused(error);
        failures += 1;
        this.#on.state(error.status ? "polling" : "offline");
      }
      await this.#pause(Math.min(2 ** failures, LONGEST_WAIT) * (0.5 + Math.random() / 2));
    }
  }

  /** Until then, or until the browser is online again. */
  #pause(seconds) {
    return new Promise((go) => {
      setTimeout(go, seconds * 1000);
      addEventListener("online", go, { once: true, signal: this.#client.signal });
      this.#client.signal.addEventListener("abort", go);
    });
  }

  /** What came while there was no stream. */
  async #catchUp() {
    const counts = await this.#client.call("GET", "inbox/counts");
    for (let more = this.#last !== undefined; more; ) {
      const page = await this.#client.call("GET", `inbox/items?after=${this.#last}&limit=${PAGE}`);
      page.data.forEach((item) => this.#came(item));
      more = page.has_more && page.data.length;
    }
    this.#last = Math.max(this.last, counts.last_seq);
    this.#on.counts(counts);
    await this.#on.caughtUp();
  }

  /** Follows the stream, from what is known on, until it ends. Whether it was ever open. */
  async #stream() {
    const { ticket } = await this.#client.call("POST", "inbox/tickets");
    const asked = new URLSearchParams({ ticket, after: this.#last });
    return new Promise((done) => {
      let isOpen = false;
      const stream = new EventSource(`${this.#client.address}/v1/inbox/events?${asked}`);
      // A ticket opens one stream, so the browser must not connect again by itself.
      const end = () => done(isOpen, stream.close(), clearTimeout(timer));
      const timer = setTimeout(end, OPENING);
      const on = (name, act) => stream.addEventListener(name, ({ data }) => act(data && JSON.parse(data)));
      stream.onopen = () => {
        clearTimeout(timer);
        isOpen = true;
        this.#on.state("live");
      };
      stream.onerror = end;
      on("item", (item) => this.#came(item));
      on("changed", this.#on.changed);
      on("counts", this.#on.counts);
      on("expired", () => end(this.#client.forget()));
      this.#client.signal.addEventListener("abort", end);
    });
  }

  #came(item) {
    this.#last = Math.max(this.last, item.seq);
    this.#on.item(item);
  }
}
