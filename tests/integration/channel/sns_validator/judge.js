// Reads {certificate, messages} from its input, and writes for each message whether AWS's validator takes it. The certificate is what
// would be under the URL that the message names.
const { Readable } = require("node:stream");
const { readFileSync } = require("node:fs");
const https = require("node:https");

const { certificate, messages } = JSON.parse(readFileSync(0, "utf8"));
https.get = (_url, read) => {
  const response = Readable.from([certificate]);
  response.statusCode = 200;
  read(response);
  return response;
};
const Validator = require("sns-validator");
const validator = new Validator();
const judged = (message) => new Promise((done) => validator.validate(message, (error) => done(error === null)));

Promise.all(messages.map(judged)).then((taken) => process.stdout.write(JSON.stringify(taken)));
