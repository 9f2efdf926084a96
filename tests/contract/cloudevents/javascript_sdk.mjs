// Records what the official JavaScript SDK makes of some events, so that the tests need no Node.js:
// `npm install cloudevents` in an empty folder, then `node javascript_sdk.mjs > javascript_sdk.json` there.
import { readFileSync } from "node:fs";
import { CloudEvent, HTTP, Kafka } from "cloudevents";

const { version } = JSON.parse(readFileSync("node_modules/cloudevents/package.json", "utf8"));
const attributes = {
  id: "e1", source: "/shop", type: "com.shop.shipped", subject: "ann", tenant: "acme", time: "2026-01-31T12:00:00.000Z",
};
const json = JSON.stringify({ order: "A1" });
const events = {
  object: { data: { order: "A1" } },
  bytes: { data: Buffer.from(json) },
  "bytes with their type": { datacontenttype: "application/json", data: Buffer.from(json) },
  "no data": {},
  "plain text": { datacontenttype: "text/plain", data: "hello" },
  "a subject with a space and quotes": { subject: 'ann "the first" 100%', data: { order: "A1" } },
  "a time with an offset": { time: "2026-01-31T14:00:00.5+02:00", data: { order: "A1" } },
};
const vectors = [];
for (const [event, members] of Object.entries(events)) {
  for (const [binding, protocol] of Object.entries({ http: HTTP, kafka: Kafka })) {
    for (const mode of ["binary", "structured"]) {
      const message = protocol[mode](new CloudEvent({ ...attributes, ...members }));
      const body = binding === "kafka" ? message.value : message.body;
      // In binary mode over Kafka the SDK leaves an object to the client to serialise.
      if (body !== undefined && typeof body !== "string" && !Buffer.isBuffer(body)) continue;
      vectors.push({ event, binding, mode, headers: message.headers, body: String(body ?? "") });
    }
  }
}
console.log(JSON.stringify({ source: `cloudevents ${version} of npm`, vectors }, null, 1));
