// Prints every diagnostic of the document named as argument; exit code 1 when one is an error.
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const ERROR = 0;
const diagnostics = await new Parser().validate(await readFile(process.argv[2], "utf8"));
const errors = diagnostics.filter(({ severity }) => severity === ERROR);
for (const { code, path, message } of errors) console.error(`${path.join("/")}: ${message} (${code})`);
process.exit(errors.length ? 1 : 0);
