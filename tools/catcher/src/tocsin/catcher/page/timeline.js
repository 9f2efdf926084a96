// What happened to the notification, as the stack tells it: every status in order, and why it was decided so.
import { CHANNELS, clock, el, icon } from "./dom.js";

const LOOKS = {
  good: ["sent", "delivered", "opened", "clicked", "seen", "read"],
  bad: ["failed", "expired", "event_refused", "undelivered", "bounced", "complained"],
  wait: ["deferred", "scheduled", "throttled", "unknown", "cancel_requested"],
  none: ["skipped", "duplicate", "suppressed", "cancelled", "unsubscribed", "event_unmatched"],
};
const ENDS = new Set([...LOOKS.good, ...LOOKS.bad, ...LOOKS.none]);
const AGAIN_MS = 1000;
const TRIES = 30;

/** Draws, and asks again until every status is final, or until a receipt that was played is told. Returns what ends the asking. */
export function drawTimeline(pane, message) {
  let stopped = false;
  let timer = 0;
  const shown = el("div", {});
  const ask = async (tries, played = null) => {
    clearTimeout(timer);
    const answer = await fetch(`api/messages/${message.id}/timeline`).catch(() => null);
    if (stopped) return;
    const body = answer ? await answer.json().catch(() => ({})) : { detail: "The catcher does not answer." };
    if (stopped) return;
    const statuses = answer?.ok ? told(body) : [];
    if (answer?.ok) shown.replaceChildren(statusList(statuses, message));
    else shown.replaceChildren(el("p", { class: "note" }, body.detail ?? "The timeline could not be read."));
    const waits = played !== null && !statuses.some((status) => status.status === played && status.delivery_id === message.delivery_id);
    const open = answer?.ok ? waits || !over(statuses) : answer?.status === 404;
    if (open && tries > 0) timer = setTimeout(() => ask(tries - 1, played), AGAIN_MS);
  };
  shown.replaceChildren(el("p", { class: "note" }, "Asking for the timeline"));
  pane.replaceChildren(...playButtons(message, (name) => ask(TRIES, name)), shown);
  ask(TRIES);
  return () => { stopped = true; clearTimeout(timer); };
}

/** A button for each receipt that the message's provider could send. */
function playButtons(message, played) {
  if (!message.plays?.length) return [];
  const said = el("span", { class: "quiet", role: "status" });
  const play = async (name) => {
    const answer = await fetch(`api/messages/${message.id}/receipts/${name}`, { method: "PUT" }).catch(() => null);
    const body = answer?.ok ? {} : await answer?.json().catch(() => ({}));
    said.textContent = answer?.ok ? `${spoken(name)} was told.` : body?.detail ?? "The catcher does not answer.";
    if (answer?.ok) played(name);
  };
  const buttons = message.plays.map((name) => el("button", { type: "button", class: "plain", onclick: () => play(name) }, spoken(name)));
  return [el("div", { class: "plays", role: "group", "aria-label": "Play a receipt" }, el("span", { class: "quiet" }, "Play a receipt"), buttons, said)];
}

function spoken(name) {
  return name[0].toUpperCase() + name.slice(1);
}

/** The statuses of an answer, oldest first. */
function told(body) {
  const list = body.timeline ?? body.statuses ?? body.data ?? [];
  return Array.isArray(list) ? [...list].sort((one, other) => Date.parse(one.at) - Date.parse(other.at)) : [];
}

/** True when every delivery spoken of has reached an end. */
function over(statuses) {
  const open = new Map();
  for (const status of statuses) {
    if (status.delivery_id) open.set(status.delivery_id, open.get(status.delivery_id) || ENDS.has(status.status));
  }
  return open.size > 0 && [...open.values()].every(Boolean);
}

function statusList(statuses, message) {
  if (!statuses.length) return el("p", { class: "note" }, "The stack tells nothing of it.");
  const start = Date.parse(statuses[0].at);
  return el("ol", { class: "timeline" }, statuses.map((status) => step(status, start, message)));
}

function step(status, start, message) {
  const look = Object.keys(LOOKS).find((name) => LOOKS[name].includes(status.status)) ?? "plain";
  const mine = message.delivery_id !== null && status.delivery_id === message.delivery_id;
  return el(
    "li",
    { "data-look": look, class: mine ? "mine" : null },
    el(
      "p",
      { class: "what" },
      el("strong", {}, status.status.replaceAll("_", " ")),
      status.channel && el("span", { class: "chip", "data-channel": status.channel }, icon(status.channel), status.channel === "inapp" ? "Inbox" : CHANNELS[status.channel] ?? status.channel),
      mine && el("span", { class: "quiet" }, "this message"),
      when(status.at, start),
    ),
    why(status),
    rules(status.decision?.rules ?? []),
  );
}

function why(status) {
  const facts = [
    status.rule && `rule ${status.rule}`,
    status.reason?.replaceAll("_", " "),
    status.provider && `by ${status.provider}`,
    status.provider_code && `code ${status.provider_code}`,
    status.attempt > 1 && `attempt ${status.attempt}`,
    status.template && `template ${status.template}, version ${status.template_version}`,
    status.locale && `in ${status.locale}`,
    status.detail,
  ].filter(Boolean);
  return facts.length ? el("p", { class: "why quiet" }, facts.join(" · ")) : null;
}

function rules(considered) {
  if (!considered.length) return null;
  return el(
    "details",
    {},
    el("summary", {}, `Why: ${considered.length} rules looked at`),
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, el("th", {}, "Rule"), el("th", {}, "Saw"), el("th", {}, "Outcome"))),
      el(
        "tbody",
        {},
        considered.map(({ rule, input, outcome }) =>
          el("tr", {}, el("td", {}, rule), el("td", { class: "quiet" }, seen(input)), el("td", {}, outcome)),
        ),
      ),
    ),
  );
}

function seen(input) {
  if (input === undefined || input === null) return "";
  return typeof input === "string" ? input : JSON.stringify(input);
}

/** The time of the first status, then how long after it; the full time on hover. */
function when(iso, start) {
  const time = clock(iso);
  time.className = "when quiet";
  const after = Date.parse(iso) - start;
  if (after > 0) time.textContent = after < 1000 ? `+${after} ms` : `+${(after / 1000).toFixed(1)} s`;
  return time;
}
