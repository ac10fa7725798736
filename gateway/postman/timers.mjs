// Set, read, list, cancel timers. None of them is left to fire: a run needs no
// receiver.

import { expect, folder, keep, limited, refused, request } from "./request.mjs";

const absent = "00000000-0000-7000-8000-000000000000";
const url = "https://receiver.example/timers?from=postman";

export const timers = folder(
  "Timers",
  "A timer calls a webhook when its time has come.",
  request("Set a timer", "POST /timers", {
    body: { hours: 1, minutes: 0, seconds: 1, url, id: absent, state: "delivered" },
    then: [
      limited(600),
      expect(201, "with exactly its id and the time left", () => {
        const timer = pm.response.json();
        pm.expect(Object.keys(timer).sort()).to.eql(["id", "time_left"]);
        pm.expect(timer.id).to.be.a("string").that.is.not.empty;
        pm.expect(timer.id).to.not.equal("00000000-0000-7000-8000-000000000000");
        pm.expect(timer.time_left).to.be.within(3500, 3601);
        pm.expect(pm.response.headers.get("Location")).to.equal(`/timers/${timer.id}`);
      }),
      keep("timer_id", "pm.response.json().id"),
    ],
  }),
  request("Set a timer under /api, what is omitted being 0", "POST /api/timers", {
    body: { minutes: 90, url },
    then: [
      expect(201, "in an hour and a half", () => {
        pm.expect(pm.response.json().time_left).to.be.within(5300, 5400);
        pm.expect(pm.response.headers.get("Location")).to.equal(`/api/timers/${pm.response.json().id}`);
      }),
      keep("second_timer_id", "pm.response.json().id"),
    ],
  }),
  request("Set a timer without an address", "POST /timers", {
    body: { seconds: 10 },
    then: [refused(400, "invalid", "url")],
  }),
  request("Set a timer for half a second", "POST /timers", {
    body: { seconds: 0.5, url },
    then: [refused(400, "invalid", "seconds")],
  }),
  request("Set a timer for a text", "POST /timers", {
    body: { hours: "4", url },
    then: [refused(400, "invalid", "hours")],
  }),
  request("Set a timer for less than nothing", "POST /timers", {
    body: { minutes: -1, url },
    then: [refused(400, "invalid", "minutes")],
  }),
  request("Set a timer for now", "POST /timers", { body: { url }, then: [refused(400, "invalid")] }),
  request("Set a timer for eleven years", "POST /timers", {
    body: { hours: 96360, url },
    then: [refused(400, "invalid")],
  }),
  request("Set a timer for what is no web address", "POST /timers", {
    body: { seconds: 10, url: "ftp://receiver.example/" },
    then: [refused(400, "invalid", "url")],
  }),
  request("Set a timer with a password in its address", "POST /timers", {
    body: { seconds: 10, url: "https://ann:secret@receiver.example/" },
    then: [refused(400, "invalid", "url")],
  }),
  request("Set a timer for the metadata service", "POST /timers", {
    body: { seconds: 10, url: "http://169.254.169.254/latest/meta-data" },
    then: [refused(400, "invalid", "url")],
  }),
  request("Set a timer without a token", "POST /timers", {
    as: "nobody",
    body: { seconds: 10, url },
    then: [refused(401, "unauthenticated")],
  }),
  request("Get a timer", "GET /timers/{{timer_id}}", {
    then: [expect(200, "in short", () => {
      const timer = pm.response.json();
      pm.expect(Object.keys(timer).sort()).to.eql(["id", "time_left"]);
      pm.expect(timer.id).to.equal(pm.collectionVariables.get("timer_id"));
      pm.expect(timer.time_left).to.be.within(3400, 3601);
    })],
  }),
  request("Get a timer in full", "GET /api/timers/{{timer_id}}?verbose=true", {
    then: [expect(200, "with what became of it", () => {
      const timer = pm.response.json();
      pm.expect(timer).to.include({ state: "waiting", attempts: 0, last_status: null, fired_at: null });
    })],
  }),
  request("Get a timer in half", "GET /timers/{{timer_id}}?verbose=half", { then: [refused(400, "invalid", "verbose")] }),
  request("Get a foreign timer", "GET /timers/{{timer_id}}", { as: "bob", then: [refused(404, "timer_not_found")] }),
  request("Get an absent timer", `GET /timers/${absent}`, { then: [refused(404, "timer_not_found")] }),
  request("Get a timer by no id", "GET /api/timers/dinner", { then: [refused(404, "timer_not_found")] }),
  request("List timers", "GET /timers?state=waiting&limit=1", {
    then: [
      expect(200, "newest first, a page of one", () => {
        const { timers, next_cursor } = pm.response.json();
        pm.expect(timers.map((timer) => timer.id)).to.eql([pm.collectionVariables.get("second_timer_id")]);
        pm.expect(timers[0]).to.include({ url: "https://receiver.example/timers?from=postman", state: "waiting" });
        pm.expect(Date.parse(timers[0].due_at)).to.be.above(Date.parse(timers[0].created_at));
        pm.expect(next_cursor).to.be.a("string").that.is.not.empty;
      }),
      keep("timer_cursor", "encodeURIComponent(pm.response.json().next_cursor)"),
    ],
  }),
  request("List the next timers", "GET /api/timers?state=waiting&limit=1&cursor={{timer_cursor}}", {
    then: [expect(200, "the last one", () => {
      const { timers, next_cursor } = pm.response.json();
      pm.expect(timers.map((timer) => timer.id)).to.eql([pm.collectionVariables.get("timer_id")]);
      pm.expect(next_cursor).to.equal(null);
    })],
  }),
  request("List timers in no state", "GET /timers?state=lost", { then: [refused(400, "invalid", "state")] }),
  request("List somebody else's timers", "GET /timers", {
    as: "bob",
    then: [expect(200, "none", () => {
      pm.expect(pm.response.json()).to.eql({ timers: [], next_cursor: null });
    })],
  }),
  request("Cancel a foreign timer", "DELETE /timers/{{timer_id}}", { as: "bob", then: [refused(404, "timer_not_found")] }),
  request("Cancel a timer", "DELETE /timers/{{timer_id}}", { then: [expect(204, "it will not fire")] }),
  request("Cancel another under /api", "DELETE /api/timers/{{second_timer_id}}", { then: [expect(204, "it will not fire")] }),
  request("Get a cancelled timer", "GET /timers/{{timer_id}}?verbose=true", {
    then: [expect(200, "cancelled", () => {
      pm.expect(pm.response.json()).to.include({ state: "cancelled", attempts: 0 });
    })],
  }),
  request("Cancel a cancelled timer", "DELETE /timers/{{timer_id}}", {
    then: [expect(204, "still cancelled")],
  }),
  request("Send a timer again that has not failed", "POST /timers/{{timer_id}}/resend", {
    then: [refused(409, "timer_not_failed")],
  }),
  request("Send an absent dead letter again", `POST /timers/${absent}/resend`, { then: [refused(404, "timer_not_found")] }),
  request("Send a foreign dead letter again", "POST /api/timers/{{timer_id}}/resend", {
    as: "bob",
    then: [refused(404, "timer_not_found")],
  }),
  request("Get the webhook secret", "GET /user/webhook-secret", {
    then: [
      expect(200, "made at the first call", () => {
        pm.expect(pm.response.json().secret).to.match(/^whsec_[A-Za-z0-9+/]+=*$/);
      }),
      keep("webhook_secret", "pm.response.json().secret"),
    ],
  }),
  request("Get the webhook secret again", "GET /api/user/webhook-secret", {
    then: [expect(200, "the same", () => {
      pm.expect(pm.response.json().secret).to.equal(pm.collectionVariables.get("webhook_secret"));
    })],
  }),
  request("Rotate the webhook secret", "POST /user/webhook-secret", {
    then: [expect(200, "another one", () => {
      pm.expect(pm.response.json().secret).to.match(/^whsec_/).and.not.equal(pm.collectionVariables.get("webhook_secret"));
    })],
  }),
  request("Get the webhook secret without a token", "GET /user/webhook-secret", {
    as: "nobody",
    then: [refused(401, "unauthenticated")],
  }),
);
