// The tabs of each kind of message. A tab draws into a pane and may return what ends it.
import { clock, copyButton, count, el, pair } from "./dom.js";
import { drawTimeline } from "./timeline.js";

export function views(message, box) {
  const timeline = { name: "Timeline", draw: (pane) => drawTimeline(pane, message) };
  if (message.channel === "email") return [...emailViews(message), timeline];
  if (message.channel === "sms") {
    return [
      { name: "Conversation", draw: (pane) => pane.replaceChildren(conversation(message, box)) },
      { name: "Request", draw: (pane) => pane.replaceChildren(source(JSON.stringify(message.request, null, 2))) },
      timeline,
    ];
  }
  if (message.channel === "chat") {
    return [
      { name: "Message", draw: (pane) => pane.replaceChildren(post(message)) },
      { name: "Request", draw: (pane) => pane.replaceChildren(source(JSON.stringify(message.request, null, 2))) },
      timeline,
    ];
  }
  if (message.channel === "webhook") {
    return [
      { name: "Body", draw: (pane) => pane.replaceChildren(source(JSON.stringify(message.request, null, 2))) },
      { name: "Headers", draw: (pane) => pane.replaceChildren(received(message)) },
      timeline,
    ];
  }
  return [
    { name: "Card", draw: (pane) => pane.replaceChildren(card(message)) },
    { name: "Request", draw: (pane) => pane.replaceChildren(source(JSON.stringify(message.request, null, 2))) },
    timeline,
  ];
}

function emailViews(mail) {
  const tabs = [];
  if (mail.html !== null) tabs.push({ name: "HTML", draw: (pane) => pane.replaceChildren(frame(mail)) });
  if (mail.text !== null) {
    tabs.push({ name: "Text", draw: (pane) => pane.replaceChildren(el("pre", { class: "letter" }, mail.text)) });
  }
  tabs.push({ name: "Headers", draw: (pane) => pane.replaceChildren(headers(mail)) });
  tabs.push({ name: "Source", draw: (pane) => pane.replaceChildren(source(mail.raw)) });
  return tabs;
}

/** Another origin that runs nothing and loads nothing; a click may open a link in a window of its own. */
function frame(mail) {
  return el("iframe", {
    sandbox: "allow-popups allow-popups-to-escape-sandbox",
    referrerpolicy: "no-referrer",
    title: "The mail as its reader sees it",
    src: `api/messages/${mail.id}/html`,
  });
}

function headers(mail) {
  return el(
    "dl",
    { class: "facts" },
    pair("Envelope from", mail.envelope_from || "<>"),
    pair("Envelope to", mail.to),
    mail.attachments.map((part, place) => pair("Attachment", attachment(mail, part, place))),
    mail.headers.map(([name, value]) => pair(name, value || " ")),
  );
}

/** A link that saves the file. */
function attachment(mail, part, place) {
  const link = el("a", { href: `api/messages/${mail.id}/attachments/${place}`, download: part.name }, part.name);
  return [link, ` (${part.content_type}, ${part.bytes} bytes)`];
}

function received(webhook) {
  const signature = webhook.verified ? "verified" : "not checked: CATCHER_WEBHOOK_SECRET is not set";
  return el(
    "dl",
    { class: "facts" },
    pair("Signature", signature),
    webhook.headers.map(([name, value]) => pair(name, value || " ")),
  );
}

function source(text) {
  return el("div", { class: "source" }, copyButton(text), el("pre", { tabindex: "0" }, text));
}

/** Everything this number got, oldest first, as its owner sees it. */
function conversation(message, box) {
  const all = box.messages.filter((other) => other.channel === "sms" && other.to === message.to).reverse();
  const shown = all.length ? all : [message];
  const list = el("ol", { class: "conversation" }, shown.map((sms) => bubble(sms, sms.id === message.id)));
  requestAnimationFrame(() => list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" }));
  return list;
}

function bubble(sms, current) {
  return el(
    "li",
    { class: "said" },
    el("span", { class: "sender quiet" }, sms.from),
    el("a", { class: "bubble", href: `#${sms.id}`, "aria-current": current ? "true" : null }, sms.body),
    el("span", { class: "bill quiet" }, clock(sms.received_at), pips(sms), el("span", {}, bill(sms))),
  );
}

function capacity(sms) {
  if (sms.segments === 1) return sms.encoding === "GSM-7" ? 160 : 70;
  return sms.segments * (sms.encoding === "GSM-7" ? 153 : 67);
}

function bill(sms) {
  return `${count(sms.segments, "segment")} · ${sms.encoding} · ${sms.units} of ${capacity(sms)} units`;
}

/** One bar a segment; the last as full as it is. */
function pips(sms) {
  const each = capacity(sms) / sms.segments;
  const bars = Array.from({ length: sms.segments }, (_, at) => {
    const bar = el("span", { class: "pip" }, el("span", {}));
    bar.firstChild.style.width = `${Math.min(1, Math.max(0, sms.units / each - at)) * 100}%`;
    return bar;
  });
  return el("span", { class: "pips", "aria-hidden": "true" }, bars);
}

function post(chat) {
  const buttons = chat.actions.map((action) =>
    el("a", { class: "plain", href: action.url, target: "_blank", rel: "noopener noreferrer" }, action.label),
  );
  return el(
    "article",
    { class: "post" },
    el("img", { src: "page/bell.svg", alt: "", width: "36", height: "36" }),
    el(
      "div",
      {},
      el("p", {}, el("span", { class: "quiet" }, `${chat.from} · `), el("span", { class: "quiet" }, clock(chat.received_at))),
      chat.title && el("h2", {}, chat.title),
      el("p", { class: "says" }, chat.text),
      buttons.length > 0 && el("p", { class: "buttons" }, buttons),
    ),
  );
}

function card(push) {
  const data = Object.entries(push.data);
  return el(
    "div",
    { class: "push" },
    el(
      "div",
      { class: "screen" },
      el(
        "article",
        { class: "card" },
        el("img", { src: "page/bell.svg", alt: "", width: "36", height: "36" }),
        el(
          "div",
          {},
          el("p", { class: "line" }, el("span", { class: "quiet" }, push.project), el("span", { class: "quiet" }, clock(push.received_at))),
          el("h2", {}, push.title || "(no title)"),
          el("p", { class: "says" }, push.body),
        ),
      ),
    ),
    el("h2", { class: "small" }, "Data"),
    data.length ? el("dl", { class: "facts" }, data.map(([key, value]) => pair(key, value || " "))) : el("p", { class: "quiet" }, "None."),
    el("h2", { class: "small" }, "Device"),
    el("dl", { class: "facts" }, pair(push.token ? "Token" : "Target", push.to), pair("Name", push.name)),
  );
}

