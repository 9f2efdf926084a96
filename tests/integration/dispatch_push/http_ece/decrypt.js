// Reads [{privateKey, auth, body}] in base64url from its input, and writes what a browser's side of http_ece reads in each body.
const { createECDH } = require("node:crypto");
const { readFileSync } = require("node:fs");
const ece = require("http_ece");

const read = JSON.parse(readFileSync(0, "utf8")).map(({ privateKey, auth, body }) => {
  const key = createECDH("prime256v1");
  key.setPrivateKey(Buffer.from(privateKey, "base64url"));
  const options = { version: "aes128gcm", privateKey: key, authSecret: auth };
  return ece.decrypt(Buffer.from(body, "base64url"), options).toString("utf8");
});
process.stdout.write(JSON.stringify(read));
