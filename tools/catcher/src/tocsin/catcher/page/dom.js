// Builds what the page shows. Text is only ever set as text: nothing that was caught is read as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes (on… are listeners, false and null are left out) and children (strings become text). */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** One of the page's symbols; decoration, so assistive technology skips it. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

export const CHANNELS = { email: "Email", sms: "SMS", push: "Push", chat: "Chat", webhook: "Webhook" };

/** What people call each kind of provider in whose shape a message came. */
export const PROVIDERS = {
  smtp: "SMTP", ses: "Amazon SES", sendgrid: "SendGrid", mailgun: "Mailgun", postmark: "Postmark",
  twilio: "Twilio", vonage: "Vonage", aws_sms: "AWS End User Messaging", sns: "Amazon SNS",
  fcm: "FCM", apns: "APNs", webpush: "Web Push", slack: "a Slack bot", slack_webhook: "a Slack webhook", teams: "a Teams workflow", webhook: "a webhook",
};

/** The channel's icon in its colour. */
export function badge(channel) {
  return el("span", { class: "badge", "data-channel": channel }, icon(channel));
}

const today = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const earlier = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** When, as short as it stays clear; the full time on hover. */
export function clock(iso) {
  const when = new Date(iso);
  const format = when.toDateString() === new Date().toDateString() ? today : earlier;
  return el("time", { datetime: iso, title: when.toLocaleString() }, format.format(when));
}

/** A term and its meaning, for a description list; nothing when there is no meaning. */
export function pair(term, meaning) {
  return meaning ? [el("div", {}, el("dt", {}, term), el("dd", {}, meaning))] : [];
}

/** "1 segment", "2 segments". */
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** A button that copies a text and says so. */
export function copyButton(text) {
  const button = el("button", { type: "button", class: "plain copy" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Press Ctrl-C";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  });
  return button;
}
