// What concerns one person: notifications and the inbox.

import { expect, folder, keep, refused, request } from "./request.mjs";

/** Asks again, for ten seconds at most, until the answer has what it waits for. */
const untilThere = (there) => `
const tries = Number(pm.collectionVariables.get("tries") ?? 0) + 1;
pm.collectionVariables.set("tries", String(tries));
if (pm.response.code === 200 && !(${there}) && tries < 50) {
  setTimeout(() => {}, 200);
  return pm.execution.setNextRequest(pm.info.requestId);
}
pm.collectionVariables.set("tries", "0");`.trim();

export const notifications = folder(
  "Notifications",
  "Kept in the inbox, heard on the sockets, and sent to a webhook by who wants that.",
  request("Get the webhook address", "GET /user/webhook-url", {
    then: [expect(200, "none yet", () => {
      pm.expect(pm.response.json()).to.eql({ url: null });
    })],
  }),
  request("Set the webhook address", "PUT /user/webhook-url", {
    body: { url: "https://receiver.example/notifications" },
    then: [expect(200, "set", () => {
      pm.expect(pm.response.json()).to.eql({ url: "https://receiver.example/notifications" });
    })],
  }),
  request("Set the webhook address to loopback's", "PUT /user/webhook-url", {
    body: { url: "http://[::ffff:127.0.0.1]:8079/" },
    then: [refused(400, "invalid", "url")],
  }),
  request("Set the webhook address to nothing said", "PUT /api/user/webhook-url", {
    body: {},
    then: [refused(400, "invalid", "url")],
  }),
  request("Take the webhook address back", "PUT /api/user/webhook-url", {
    body: { url: null },
    then: [expect(200, "none again", () => {
      pm.expect(pm.response.json()).to.eql({ url: null });
    })],
  }),
  request("Notify oneself", "POST /v1/notify", {
    body: { username: "{{ann}}", message: "Dinner is ready", id: "{{run}}" },
    then: [expect(202, "kept", () => {
      pm.expect(pm.response.json().status).to.equal("ok");
      pm.expect(pm.response.json().id).to.be.a("string").that.is.not.empty;
    }), keep("notification_id", "pm.response.json().id")],
  }),
  request("Notify oneself again with the same id", "POST /api/v1/notify", {
    body: { username: "{{ann}}", message: "Dinner is ready", id: "{{run}}" },
    then: [expect(202, "the same notification", () => {
      pm.expect(pm.response.json().id).to.equal(pm.collectionVariables.get("notification_id"));
    })],
  }),
  request("Notify nobody", "POST /v1/notify", {
    body: { message: "Dinner is ready" },
    then: [refused(400, "invalid", "username")],
  }),
  request("Notify without a message", "POST /v1/notify", {
    body: { username: "{{ann}}" },
    then: [refused(400, "invalid", "message")],
  }),
  request("Notify somebody who is not there", "POST /v1/notify", {
    body: { username: "nobody-{{run}}", message: "Hello" },
    then: [expect(404, "not there, or not for this caller")],
  }),
  request("Notify with a service token that is none", "POST /v1/notify", {
    headers: { "X-Service-Token": "not-the-service-token" },
    body: { username: "{{ann}}", message: "Hello" },
    then: [refused(401, "unauthenticated")],
  }),
  request("List the inbox", "GET /user/inbox", {
    then: [
      untilThere(`pm.response.json().entries.some((entry) => entry.kind === "notification")`),
      expect(200, "with the notification, once", () => {
        const { entries, last_seq } = pm.response.json();
        const kept = entries.filter((entry) => entry.kind === "notification");
        pm.expect(kept.length).to.equal(1);
        pm.expect(kept[0].frame.message).to.equal("Dinner is ready");
        pm.expect(kept[0].seen).to.equal(false);
        pm.expect(last_seq).to.be.least(kept[0].seq);
      }),
      keep("inbox_seq", "pm.response.json().last_seq"),
    ],
  }),
  request("Mark the inbox as seen", "POST /user/inbox/{{inbox_seq}}/seen", { then: [expect(204, "marked")] }),
  request("List the inbox after that", "GET /api/user/inbox?since=0&limit=1000", {
    then: [expect(200, "seen", () => {
      pm.expect(pm.response.json().entries.map((entry) => entry.seen)).to.not.include(false);
    })],
  }),
  request("List what came since", "GET /user/inbox?since={{inbox_seq}}", {
    then: [expect(200, "nothing", () => {
      pm.expect(pm.response.json().entries).to.eql([]);
    })],
  }),
  request("List the inbox from before its beginning", "GET /user/inbox?since=-1", { then: [refused(400, "invalid", "since")] }),
  request("Mark nothing as seen", "POST /api/user/inbox/dinner/seen", { then: [refused(404, "not_found")] }),
  request("List the inbox without a token", "GET /user/inbox", { as: "nobody", then: [refused(401, "unauthenticated")] }),
);
