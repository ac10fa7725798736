// Events of devices.

import { expect, folder, refused, request } from "./request.mjs";

const event = { deviceId: "watch", type: "TRAINING_PROGRAM_STARTED", timestamp: "2021-02-28T16:23:25Z", details: { programId: "2352" } };

export const activity = folder(
  "Activity",
  "What devices say, and how often it counts.",
  request("Record an event", "POST /v1/event", {
    body: { ...event, id: "{{run}}-1" },
    then: [expect(202, "with the event as it is kept", () => {
      const { status, data, details } = pm.response.json();
      pm.expect(status).to.equal("ok");
      pm.expect(data.event).to.include({ deviceId: "watch", type: "TRAINING_PROGRAM_STARTED", timestamp: "2021-02-28T16:23:25Z" });
      pm.expect(data.event.details).to.eql({ programId: "2352" });
      pm.expect(details).to.eql({ supported: true, repeated: false });
    })],
  }),
  request("Record it again", "POST /api/v1/event", {
    body: { ...event, id: "{{run}}-1" },
    then: [expect(202, "harmless", () => {
      pm.expect(pm.response.headers.get("Idempotent-Replayed")).to.equal("true");
      pm.expect(pm.response.json().details).to.eql({ supported: true, repeated: true });
    })],
  }),
  request("Record an event of the original shape", "POST /v1/event", {
    body: {
      user_id: "foo1", device_id: "bar1", type: "training_program_finished",
      training_program_id: "2352", time_stamp: "2021-02-28 16:59:43",
    },
    then: [expect(202, "in the improved one", () => {
      pm.expect(pm.response.json().data.event).to.eql({
        deviceId: "bar1", type: "TRAINING_PROGRAM_FINISHED", timestamp: "2021-02-28T16:59:43Z",
        details: { programId: "2352", userId: "foo1" },
      });
    })],
  }),
  request("Record an event of an unknown type", "POST /v1/event", {
    body: { deviceId: "watch", type: "coffee_brewed", timestamp: "2021-02-28T16:23:25Z" },
    then: [expect(202, "kept and not supported", () => {
      pm.expect(pm.response.json().details.supported).to.equal(false);
      pm.expect(pm.response.json().data.event.type).to.equal("coffee_brewed");
    })],
  }),
  request("Record a batch", "POST /v1/event", {
    headers: { "Idempotency-Key": "{{run}}-batch" },
    body: [event, { ...event, timestamp: "yesterday" }],
    then: [expect(202, "one result each", () => {
      const { data, details } = pm.response.json();
      pm.expect(details).to.eql({ kept: 1, refused: 1 });
      pm.expect(data.results.map((result) => result.status)).to.eql(["ok", "refused"]);
      pm.expect(data.results[1].errors[0].field).to.equal("events[1].timestamp");
    })],
  }),
  request("Record another batch with its key", "POST /v1/event", {
    headers: { "Idempotency-Key": "{{run}}-batch" },
    body: [{ ...event, deviceId: "another" }],
    then: [refused(422, "idempotency_mismatch")],
  }),
  request("Record lines", "POST /v1/event", {
    headers: { "Content-Type": "application/x-ndjson" },
    body: `${JSON.stringify(event)}\n${JSON.stringify({ ...event, type: "APP_LAUNCHED" })}\n`,
    then: [expect(202, "both kept", () => {
      pm.expect(pm.response.json().details).to.eql({ kept: 2, refused: 0 });
    })],
  }),
  request("Record a malformed event", "POST /v1/event", {
    body: { type: "APP_LAUNCHED", timestamp: "2021-02-28T16:23:25Z" },
    then: [refused(400, "invalid", "deviceId")],
  }),
  request("Record nothing", "POST /v1/event", { body: [], then: [refused(400, "invalid", "body")] }),
  request("Record without a token", "POST /v1/event", { as: "nobody", body: event, then: [refused(401, "unauthenticated")] }),
);
