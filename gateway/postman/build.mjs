// Writes postman_collection.json from the requests in this folder:
//
//   node gateway/postman/build.mjs           writes it
//   node gateway/postman/build.mjs --check   fails when it is stale
//
// The collection runs from start to end against a fresh or a used system. It
// keeps to the rate limits: on a 429 it waits as told and sends the request again.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { accounts } from "./accounts.mjs";
import { activity } from "./activity.mjs";
import { calendars } from "./calendars.mjs";
import { events } from "./events.mjs";
import { goodbye } from "./goodbye.mjs";
import { members } from "./members.mjs";
import { notifications } from "./notifications.mjs";
import { room } from "./room.mjs";
import { script, source } from "./request.mjs";
import { system } from "./system.mjs";
import { timers } from "./timers.mjs";

/** Before the first request of a run. */
const newNames = source(() => {
  if (!pm.collectionVariables.get("run") || pm.info.requestName === "Status of accounts") {
    const run = Date.now().toString(36) + Math.random().toString(36).slice(2, 8);
    pm.collectionVariables.set("run", run);
    pm.collectionVariables.set("ann", `ann-${run}`);
    pm.collectionVariables.set("bob", `bob-${run}`);
    pm.collectionVariables.set("password", `correct horse ${run}`);
    pm.collectionVariables.set("calendar", `Family ${run}`);
    pm.collectionVariables.set("waits", "0");
    pm.collectionVariables.set("tries", "0");
  }
});

/** After every request: what is true of every answer. */
const everyAnswer = source(() => {
  if (pm.response.code === 429) {
    // The budget is spent, by an earlier run or somebody else at this address.
    const waits = Number(pm.collectionVariables.get("waits")) + 1;
    pm.collectionVariables.set("waits", String(waits));
    pm.test("a 429 says when to come back", () => {
      pm.expect(Number(pm.response.headers.get("Retry-After"))).to.be.within(1, 60);
      pm.expect(waits).to.be.below(30);
    });
    if (waits < 30) {
      setTimeout(() => {}, Number(pm.response.headers.get("Retry-After")) * 1000);
      pm.execution.setNextRequest(pm.info.requestId);
    }
    return;
  }
  pm.test("every answer has an id and security headers", () => {
    pm.expect(pm.response.headers.get("x-request-id")).to.match(/^[A-Za-z0-9._-]{1,128}$/);
    pm.expect(pm.response.headers.get("X-Content-Type-Options")).to.equal("nosniff");
    pm.expect(pm.response.headers.get("Content-Security-Policy")).to.include("default-src 'none'");
  });
  if (pm.response.code >= 400) {
    pm.test("a failure is a problem document", () => {
      pm.expect(pm.response.headers.get("Content-Type")).to.equal("application/problem+json");
      const problem = pm.response.json();
      pm.expect(problem).to.include.all.keys("type", "title", "status", "detail", "code", "request_id");
      pm.expect(problem.status).to.equal(pm.response.code);
      pm.expect(problem.type).to.equal(`urn:shared-calendar:problem:${problem.code}`);
      pm.expect(problem.request_id).to.equal(pm.response.headers.get("x-request-id"));
    });
  }
  pm.test("no server error", () => pm.expect(pm.response.code).to.be.below(500));
});

const collection = {
  info: {
    name: "Shared Calendar",
    description:
      "Every route with its answers and refusals. Run it from start to end; `base_url` says where. " +
      "Made by gateway/postman/build.mjs: change it there.",
    schema: "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
  },
  auth: { type: "bearer", bearer: [{ key: "token", value: "{{ann_token}}", type: "string" }] },
  event: [script("prerequest", newNames), script("test", everyAnswer)],
  variable: [{ key: "base_url", value: "http://127.0.0.1:8080" }],
  item: [system, accounts, calendars, events, room, members, timers, notifications, activity, goodbye],
};

const place = fileURLToPath(new URL("../../postman_collection.json", import.meta.url));
const text = JSON.stringify(collection, null, 2) + "\n";

if (process.argv.includes("--check")) {
  if (readFileSync(place, "utf8") !== text) {
    console.error("postman_collection.json is stale: run node gateway/postman/build.mjs");
    process.exit(1);
  }
} else {
  writeFileSync(place, text);
}
