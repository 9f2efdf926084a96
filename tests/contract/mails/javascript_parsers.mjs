// Records what two parsers of mail read in ours, so that the tests need no Node.js. `npm install mailparser postal-mime` in an
// empty folder F, copy this file there; then `python -m tests.contract.mails.hard_mails | node F/javascript_parsers.mjs > javascript_parsers.json`.
import { readFileSync } from "node:fs";
import { simpleParser } from "mailparser";
import PostalMime from "postal-mime";

const version = (name) => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), "utf8")).version;
const parsers = {
  [`mailparser ${version("mailparser")}`]: async (raw) => {
    const { subject, from, to, cc, bcc, text, html } = await simpleParser(raw);
    return { subject, from: from.value, to: to.value, cc, bcc, text, html };
  },
  [`postal-mime ${version("postal-mime")}`]: async (raw) => {
    const { subject, from, to, cc, bcc, text, html } = await PostalMime.parse(raw);
    return { subject, from: [from], to, cc, bcc, text, html };
  },
};
const mails = {};
for (const [name, raw] of Object.entries(JSON.parse(readFileSync(0, "utf8")))) {
  mails[name] = { raw, read: {} };
  for (const [parser, read] of Object.entries(parsers)) mails[name].read[parser] = await read(raw);
}
console.log(JSON.stringify(mails, null, 1));
