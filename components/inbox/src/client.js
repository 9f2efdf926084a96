/** Calls of Tocsin with the person's token. `source` is one, or a function that gets one: it is asked again when one is no longer taken. */
export class Client {
  #source;
  #token;

  constructor(address, source, signal) {
    this.address = address.replace(/\/$/, "");
    this.#source = source;
    this.signal = signal;
  }

  /** The next call asks for a new token. */
  forget() {
    this.#token = undefined;
  }

  /** The answer's JSON. Throws an error with `status` and `code` where Tocsin refuses, and one without where it cannot be reached. */
  async call(method, path, body) {
    const asks = typeof this.#source === "function";
    const known = this.#token;
    this.#token ??= await (asks ? this.#source() : this.#source);
    const answer = await fetch(`${this.address}/v1/${path}`, {
      method,
      credentials: "omit",
      keepalive: method !== "GET", // what is reported outlives a page that is left
      signal: AbortSignal.any([this.signal, AbortSignal.timeout(20_000)]),
      headers: { authorization: `Bearer ${this.#token}`, ...(body && { "content-type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
    if (answer.status === 401 && asks && known) {
      this.forget();
      return this.call(method, path, body);
    }
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw Object.assign(new Error(said.code), { status: answer.status, code: said.code });
    return said;
  }
}
