// Reads {claims, kid, secret, privateKey (PKCS #8 as PEM)} from its input, and writes a token of HS256 and one of ES256.
import { readFileSync } from "node:fs";
import { SignJWT, importPKCS8 } from "jose";

const { claims, kid, secret, privateKey } = JSON.parse(readFileSync(0, "utf8"));
const sign = (alg, key) => new SignJWT(claims).setProtectedHeader({ alg, kid }).sign(key);
const tokens = {
  HS256: await sign("HS256", new TextEncoder().encode(secret)),
  ES256: await sign("ES256", await importPKCS8(privateKey, "ES256")),
};
process.stdout.write(JSON.stringify(tokens));
