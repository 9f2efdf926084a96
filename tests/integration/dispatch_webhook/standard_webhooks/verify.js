// Reads [{secret, headers, body}] from its input, and writes for each whether the library of Standard Webhooks takes it, or why not.
const { readFileSync } = require("node:fs");
const { Webhook } = require("standardwebhooks");

const read = JSON.parse(readFileSync(0, "utf8")).map(({ secret, headers, body }) => {
  try {
    new Webhook(secret).verify(body, headers);
    return "taken";
  } catch (error) {
    return error.message;
  }
});
process.stdout.write(JSON.stringify(read));
