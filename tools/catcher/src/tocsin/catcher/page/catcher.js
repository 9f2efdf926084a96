// Wires the page together: what is caught, the list, the reader, the address bar and the keys.
import { Box } from "./box.js";
import { CHANNELS } from "./dom.js";
import { drawEmpty } from "./empty.js";
import { Reader } from "./reader.js";
import { Rows } from "./rows.js";

const at = (id) => document.getElementById(id);
const wide = matchMedia("(min-width: 800px)");
let drawing = false;

const box = new Box({ changed: draw, caught: noticed, live: showConnection });
const rows = new Rows({
  box, list: at("rows"), channels: at("channels"), recipient: at("recipient"),
  noMatch: at("no-match"), more: at("more"), changed: draw,
});
const reader = new Reader({ box, pane: at("reader"), back: () => { location.hash = ""; } });

/** Draws once a frame however much arrives. */
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    const none = box.loaded && box.messages.length === 0;
    at("clear").disabled = box.messages.length === 0;
    document.title = box.messages.length ? `Tocsin catcher (${box.messages.length})` : "Tocsin catcher";
    if (none && at("empty").hidden) drawEmpty(at("empty"));
    at("empty").hidden = !none;
    rows.draw();
    follow();
  });
}

/** Shows what the address names; on a wide page the newest, when it names nothing. */
function follow() {
  const named = location.hash.slice(1);
  const message = box.find(named) ?? (wide.matches && box.loaded ? (reader.message && box.find(reader.message.id)) ?? rows.matching()[0] : undefined);
  const empty = box.loaded && box.messages.length === 0;
  document.body.dataset.view = empty ? "empty" : box.find(named) ? "message" : "list";
  if ((message?.id ?? null) !== (reader.message?.id ?? null)) {
    reader.show(message ?? null).then(() => {
      if (box.find(named) && !wide.matches) at("reader").querySelector("h1")?.focus();
    });
  }
  rows.select(message?.id ?? null);
}

function noticed(message) {
  rows.fresh.add(message.id);
  at("announce").textContent = `${CHANNELS[message.channel]} caught for ${message.to}`;
  reader.refresh(message);
}

function showConnection(state) {
  at("live").dataset.state = state;
  at("live-words").textContent = state === "live" ? "Live" : "Reconnecting";
}

at("clear").addEventListener("click", () => box.clear());
addEventListener("hashchange", follow);
wide.addEventListener("change", follow);
addEventListener("keydown", (event) => {
  if (event.target.closest("input") || event.ctrlKey || event.metaKey || event.altKey) {
    if (event.key === "Escape" && event.target === at("recipient")) at("rows").querySelector("a")?.focus();
    return;
  }
  if (event.key === "/") { event.preventDefault(); at("recipient").focus(); }
  else if (event.key === "j") rows.open(1);
  else if (event.key === "k") rows.open(-1);
  else if (event.key === "t") reader.choose("Timeline");
  else if (event.key === "Escape" && !wide.matches) location.hash = "";
});

box.follow();
