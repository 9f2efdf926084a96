// The shop's page. What comes from outside is set as text, never as markup.
const byId = (id) => document.getElementById(id);
const inbox = document.querySelector("tocsin-inbox");
const AGAIN = 1000; // milliseconds between two looks at the timelines

const { address, person, workflow } = await (await fetch("setup.json")).json();
byId("person").textContent = person;
byId("workflow").textContent = workflow;
byId("command").textContent = [
  `key=$(python3 -c 'import json; print(json.load(open(".dev/endpoints.json"))["api_key"])')`,
  `curl ${address}/v1/notifications -H "Authorization: Bearer $key" \\`,
  `  --json '{"workflow": "${workflow}", "recipients": ["${person}"], "data": {"order": "A-7"}}'`,
].join("\n");
inbox.setAttribute("address", address);
inbox.token = async () => {
  const answer = await fetch("token", { method: "POST" });
  if (!answer.ok) throw new Error("The shop signs nobody in.");
  return answer.text();
};
// The sample's links lead to a shop that is not there.
inbox.addEventListener("tocsin-open", (event) => {
  event.preventDefault();
  const { url, action } = event.detail;
  byId("said").textContent = [action && `Pressed: ${action}.`, url && `It leads to ${url}`].filter(Boolean).join(" ");
});
byId("send").addEventListener("click", send);
look();

async function send() {
  const head = { "content-type": "application/json" };
  const answer = await fetch("messages", { method: "POST", headers: head, body: "{}" }).catch(() => null);
  const said = await answer?.json().catch(() => ({}));
  byId("said").textContent = answer?.ok ? "Sent." : said?.detail ?? "The page’s server does not answer.";
}

async function look() {
  const answer = await fetch("timelines").catch(() => null);
  if (answer?.ok) draw(await answer.json().catch(() => []));
  setTimeout(look, AGAIN);
}

function draw(messages) {
  byId("none").hidden = messages.length > 0;
  byId("timelines").replaceChildren(...messages.map(({ notification, timeline }) =>
    made("li", made("code", notification), made("ul", ...timeline.map(({ at, status }) =>
      made("li", made("strong", status.replaceAll("_", " ")), " ", made("time", new Date(at).toLocaleTimeString())),
    ))),
  ));
}

function made(tag, ...children) {
  const node = document.createElement(tag);
  node.append(...children);
  return node;
}
