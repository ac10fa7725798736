// Receives webhooks and verifies them (https://www.standardwebhooks.com), with nothing but Node.
//
//   WEBHOOK_SECRET=whsec_… node receive-webhooks.mjs
//
// PORT (9000) is where it listens, on loopback. Each request is a line on stdout: the time, the webhook's id, how
// often that id came, and what was sent. A request whose signature is wrong or old is answered 401 and not shown.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const port = Number(process.env.PORT ?? 9000);
const secret = process.env.WEBHOOK_SECRET;
/** Older ones may be replays, newer ones cannot be. */
const toleranceSeconds = 5 * 60;
const largest = 64 * 1024;
/** How often each id came: deliveries are at least once, with a stable id. Bounded, the oldest is forgotten. */
const seen = new Map();

/** Why a request must not be believed; nothing when it may be. */
export function refusal(key, headers, body, now = Date.now() / 1000) {
  const id = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"];
  const signatures = headers["webhook-signature"];
  if (!id || !timestamp || !signatures) return "a header is missing";
  if (!(Math.abs(now - Number(timestamp)) <= toleranceSeconds)) return "the timestamp is too far off";
  const bytes = Buffer.from(key.replace(/^whsec_/, ""), "base64");
  const expected = createHmac("sha256", bytes).update(`${id}.${timestamp}.`).update(body).digest();
  // Several while a secret is being rotated; one of them must be right.
  const right = signatures.split(" ").some((signature) => {
    const [version, text] = signature.split(",");
    const given = Buffer.from(text ?? "", "base64");
    return version === "v1" && given.length === expected.length && timingSafeEqual(given, expected);
  });
  return right ? undefined : "the signature is wrong";
}

function count(id) {
  const times = (seen.get(id) ?? 0) + 1;
  seen.delete(id);
  seen.set(id, times);
  if (seen.size > 100_000) seen.delete(seen.keys().next().value);
  return times;
}

async function read(request) {
  const parts = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > largest) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const server = createServer(async (request, response) => {
  const body = await read(request).catch(() => undefined);
  if (body === undefined) return response.writeHead(413, { connection: "close" }).end();
  if (request.method !== "POST") return response.writeHead(405, { allow: "POST" }).end();
  const why = secret && refusal(secret, request.headers, body);
  if (why) {
    console.error(`refused ${request.url}: ${why}`);
    return response.writeHead(401).end();
  }
  const id = request.headers["webhook-id"] ?? "no id";
  const times = count(id);
  const verified = secret ? "verified" : "not verified";
  console.log(new Date().toISOString(), request.url, verified, `id ${id}`, `time ${times}`, body.toString());
  // A repeat is answered like the first: that is what ends it.
  response.writeHead(204).end();
});

server.listen(port, "127.0.0.1", () => {
  console.error(`receiving on http://127.0.0.1:${port}${secret ? "" : ", without WEBHOOK_SECRET: nothing is verified"}`);
});
