// What a newcomer sees before anything was caught: how to send the first event.
import { copyButton, el, icon } from "./dom.js";

export async function drawEmpty(pane) {
  const answer = await fetch("api/setup").catch(() => null);
  const { entry, sample } = answer?.ok ? await answer.json() : { entry: null, sample: {} };
  const command = firstEvent(entry ?? "http://localhost:8080", sample ?? {});
  pane.replaceChildren(
    el("div", { class: "bell" }, icon("bell")),
    el("h1", {}, "Nothing caught yet"),
    el("p", {}, "Every email, SMS, push, chat message and webhook of this stack lands here the moment it is sent. Nothing leaves this machine."),
    el("div", { class: "lead" }, el("p", {}, "Send the first event, from the project’s folder:"), copyButton(command)),
    el("pre", { tabindex: "0" }, command),
    el("p", { class: "quiet waiting" }, el("span", { class: "dot" }), "Listening. This page changes by itself."),
  );
}

function firstEvent(entry, sample) {
  const recipient = sample.recipients?.[0]?.id ?? sample.recipients?.[0] ?? "ada";
  const request = { workflow: sample.workflow ?? "order-shipped", recipients: [recipient], data: sample.data ?? {} };
  return [
    `KEY=$(python3 -c 'import json; print(json.load(open(".dev/endpoints.json"))["api_key"])')`,
    `curl ${entry}/v1/notifications \\`,
    `  -H "Authorization: Bearer $KEY" \\`,
    `  -H "Content-Type: application/json" \\`,
    `  -d '${readable(request).replaceAll("'", "'\\''")}'`,
  ].join("\n");
}

/** JSON with a line for each field. */
function readable(request) {
  const fields = Object.entries(request).map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  return `{\n${fields.join(",\n")}\n  }`;
}
