// Create, read, change, delete events.

import { expect, folder, keep, limited, refused, request } from "./request.mjs";

const absent = "00000000-0000-7000-8000-000000000000";
const dinner = {
  calendar_name: "{{calendar}}",
  event_name: "Dinner",
  event_start: "2026-07-01T19:00:00",
  event_end: "2026-07-01T21:00:00",
  time_zone: "Europe/Berlin",
};

export const events = folder(
  "Events",
  "Times are read in the zone of the event and answered in UTC.",
  request("Get events when there are none", "GET /calendar/get_events", { then: [limited(5), refused(404, "no_events")] }),
  request("Create an event", "POST /calendar/create_event", {
    body: { ...dinner, location: "At home", reminders: [10], created_by: "{{bob}}", seq: 99 },
    then: [
      expect(201, "in UTC, with its creator as participant", () => {
        const { message, event } = pm.response.json();
        const ann = pm.collectionVariables.get("ann");
        pm.expect(message).to.be.a("string").that.is.not.empty;
        pm.expect(event).to.include({
          event_name: "Dinner",
          event_start: "2026-07-01T17:00:00Z",
          event_end: "2026-07-01T19:00:00Z",
          time_zone: "Europe/Berlin",
          all_day: false,
          location: "At home",
          description: "",
          created_by: ann,
          calendar_name: pm.collectionVariables.get("calendar"),
          calendar_id: pm.collectionVariables.get("calendar_id"),
        });
        pm.expect(event.participants).to.eql([ann]);
        pm.expect(event.reminders).to.eql([10]);
        pm.expect(event.seq).to.not.equal(99);
        pm.expect(pm.response.headers.get("ETag")).to.equal(`"${event.etag}"`);
        pm.expect(pm.response.headers.get("Location")).to.equal(`/calendar/events/${event.event_id}`);
      }),
      keep("event_id", "pm.response.json().event.event_id"),
      keep("etag", "pm.response.headers.get('ETag')"),
    ],
  }),
  request("Create an all-day event under /api", "POST /api/calendar/create_event", {
    body: {
      calendar_name: "{{calendar}}",
      event_name: "Holiday",
      event_start: "2026-07-02",
      event_end: "2026-07-03",
      all_day: true,
    },
    then: [
      expect(201, "with dates and the calendar's reminders", () => {
        const { event } = pm.response.json();
        pm.expect(event).to.include({ event_start: "2026-07-02", event_end: "2026-07-03", all_day: true });
        pm.expect(event.reminders).to.eql([15]);
        pm.expect(pm.response.headers.get("Location")).to.equal(`/api/calendar/events/${event.event_id}`);
      }),
      keep("holiday_id", "pm.response.json().event.event_id"),
    ],
  }),
  request("Choose one's own reminders", "PUT /calendar/events/{{event_id}}/reminders", {
    body: { minutes: [60, 5] },
    then: [expect(200, "for the caller alone", () => {
      const choice = pm.response.json();
      pm.expect(choice.event_id).to.equal(pm.collectionVariables.get("event_id"));
      pm.expect([...choice.minutes].sort((a, b) => b - a)).to.eql([60, 5]);
      pm.expect(choice.own).to.equal(true);
    })],
  }),
  request("Mute an event", "PUT /api/calendar/events/{{event_id}}/reminders", {
    body: { minutes: [] },
    then: [expect(200, "no reminders", () => {
      pm.expect(pm.response.json()).to.include({ own: true }).and.to.deep.include({ minutes: [] });
    })],
  }),
  request("Be reminded as the event says", "PUT /calendar/events/{{event_id}}/reminders", {
    body: { minutes: null },
    then: [expect(200, "as the event says", () => {
      pm.expect(pm.response.json()).to.include({ own: false }).and.to.deep.include({ minutes: [10] });
    })],
  }),
  request("Choose reminders that are none", "PUT /calendar/events/{{event_id}}/reminders", {
    body: { minutes: "soon" },
    then: [refused(400, "invalid", "minutes")],
  }),
  request("Choose reminders of a foreign event", "PUT /calendar/events/{{event_id}}/reminders", {
    as: "bob",
    body: { minutes: [] },
    then: [refused(404, "event_not_found")],
  }),
  request("Create an event without a start", "POST /calendar/create_event", {
    body: { calendar_name: "{{calendar}}", event_name: "x", event_end: "2026-07-01T21:00:00Z" },
    then: [refused(400, "invalid", "event_start")],
  }),
  request("Create an event that ends before it starts", "POST /calendar/create_event", {
    body: { ...dinner, event_end: "2026-07-01T18:59:59" },
    then: [refused(400, "invalid", "event_end")],
  }),
  request("Create an event in no zone", "POST /calendar/create_event", {
    body: { ...dinner, time_zone: "Mars/Olympus" },
    then: [refused(400, "invalid", "time_zone")],
  }),
  request("Create an event that repeats", "POST /calendar/create_event", {
    body: { ...dinner, rrule: "FREQ=DAILY" },
    then: [refused(400, "unsupported", "rrule")],
  }),
  request("Create an event with a stranger", "POST /calendar/create_event", {
    body: { ...dinner, participants: ["{{bob}}"] },
    then: [refused(409, "participant_unknown"), expect(409, "with the name", () => {
      pm.expect(pm.response.json().names).to.eql([pm.collectionVariables.get("bob")]);
    })],
  }),
  request("Create an event in no calendar", "POST /calendar/create_event", {
    body: { ...dinner, calendar_name: "{{calendar}} that is not" },
    then: [refused(404, "calendar_not_found")],
  }),
  request("Create an event in a foreign calendar", "POST /calendar/create_event", {
    as: "bob",
    body: dinner,
    then: [refused(404, "not_a_member")],
  }),
  request("Create an event from what is no JSON", "POST /calendar/create_event", {
    body: "{",
    then: [refused(400, "invalid", "body")],
  }),
  request("Get events", "GET /calendar/get_events", {
    then: [expect(200, "ordered by start", () => {
      pm.expect(pm.response.json().events.map((event) => event.event_name)).to.eql(["Dinner", "Holiday"]);
    })],
  }),
  request("Get events of one calendar and day", "GET /api/calendar/get_events?calendar_name={{calendar}}&from=2026-07-01T00:00:00Z&to=2026-07-01T19:00:00Z", {
    then: [expect(200, "those that overlap", () => {
      pm.expect(pm.response.json().events.map((event) => event.event_name)).to.eql(["Dinner"]);
    })],
  }),
  request("Get events of a calendar that is not joined", "GET /calendar/get_events?calendar_name={{calendar}}", {
    as: "bob",
    then: [refused(404, "not_a_member")],
  }),
  request("Get events from no time", "GET /calendar/get_events?from=yesterday", { then: [refused(400, "invalid", "from")] }),
  request("List events of a calendar", "GET /calendar/calendars/{{calendar_id}}/events?from=2026-07-01T00:00:00Z&to=2026-08-01T00:00:00Z&limit=1", {
    then: [
      limited(120),
      expect(200, "a page of one", () => {
        const { events, next_cursor } = pm.response.json();
        pm.expect(events.map((event) => event.event_name)).to.eql(["Dinner"]);
        pm.expect(next_cursor).to.be.a("string").that.is.not.empty;
      }),
      keep("cursor", "encodeURIComponent(pm.response.json().next_cursor)"),
    ],
  }),
  request("List the next page", "GET /api/calendar/calendars/{{calendar_id}}/events?from=2026-07-01T00:00:00Z&to=2026-08-01T00:00:00Z&limit=1&cursor={{cursor}}", {
    then: [expect(200, "the last one", () => {
      const { events, next_cursor } = pm.response.json();
      pm.expect(events.map((event) => event.event_name)).to.eql(["Holiday"]);
      pm.expect(next_cursor).to.equal(null);
    })],
  }),
  request("List events in too large pages", "GET /calendar/calendars/{{calendar_id}}/events?from=2026-07-01T00:00:00Z&to=2026-08-01T00:00:00Z&limit=1001", {
    then: [refused(400, "invalid", "limit")],
  }),
  request("List events of a foreign calendar", "GET /calendar/calendars/{{calendar_id}}/events?from=2026-07-01T00:00:00Z&to=2026-08-01T00:00:00Z", {
    as: "bob",
    then: [refused(404, "calendar_not_found")],
  }),
  request("Get an event", "GET /calendar/events/{{event_id}}", {
    then: [expect(200, "with its entity tag", () => {
      pm.expect(pm.response.json().event_id).to.equal(pm.collectionVariables.get("event_id"));
      pm.expect(pm.response.headers.get("ETag")).to.equal(pm.collectionVariables.get("etag"));
      pm.expect(pm.response.headers.get("ETag")).to.equal(`"${pm.response.json().etag}"`);
    })],
  }),
  request("Get a foreign event", "GET /calendar/events/{{event_id}}", { as: "bob", then: [refused(404, "event_not_found")] }),
  request("Get an absent event", `GET /api/calendar/events/${absent}`, { then: [refused(404, "event_not_found")] }),
  request("Get an event by no id", "GET /calendar/events/dinner", { then: [refused(404, "event_not_found")] }),
  request("Change an event without If-Match", "PATCH /calendar/events/{{event_id}}", {
    body: { event_name: "Lunch" },
    then: [refused(428, "precondition_required")],
  }),
  request("Change an event", "PATCH /calendar/events/{{event_id}}", {
    headers: { "If-Match": "{{etag}}", "Content-Type": "application/merge-patch+json" },
    body: { event_name: "Late dinner", location: null, calendar_name: "{{calendar}}", event_id: absent },
    then: [
      expect(200, "changed, cleared and kept", () => {
        const event = pm.response.json();
        pm.expect(event).to.include({ event_name: "Late dinner", location: "", event_start: "2026-07-01T17:00:00Z" });
        pm.expect(event.event_id).to.equal(pm.collectionVariables.get("event_id"));
        pm.expect(event.reminders).to.eql([10]);
        pm.expect(pm.response.headers.get("ETag")).to.not.equal(pm.collectionVariables.get("etag"));
      }),
      keep("new_etag", "pm.response.headers.get('ETag')"),
    ],
  }),
  request("Change an event as it was", "PATCH /api/calendar/events/{{event_id}}", {
    headers: { "If-Match": "{{etag}}" },
    body: { event_name: "Lunch" },
    then: [refused(412, "stale")],
  }),
  request("Move an event to another calendar", "PATCH /calendar/events/{{event_id}}", {
    headers: { "If-Match": "{{new_etag}}" },
    body: { calendar_name: "Another" },
    then: [refused(400, "invalid", "calendar_name")],
  }),
  request("Change an event with an unquoted tag", "PATCH /calendar/events/{{event_id}}", {
    headers: { "If-Match": "abc" },
    body: { event_name: "Lunch" },
    then: [refused(400, "invalid", "If-Match")],
  }),
  request("Change a foreign event", "PATCH /calendar/events/{{event_id}}", {
    as: "bob",
    headers: { "If-Match": "*" },
    body: { event_name: "Mine" },
    then: [refused(404, "event_not_found")],
  }),
  request("Delete an event without If-Match", "DELETE /calendar/events/{{event_id}}", {
    then: [refused(428, "precondition_required")],
  }),
  request("Delete an event as it was", "DELETE /calendar/events/{{event_id}}", {
    headers: { "If-Match": "{{etag}}" },
    then: [refused(412, "stale")],
  }),
  request("Delete a foreign event", "DELETE /calendar/events/{{event_id}}", {
    as: "bob",
    headers: { "If-Match": "*" },
    then: [refused(404, "event_not_found")],
  }),
  request("Delete an event", "DELETE /calendar/events/{{event_id}}", {
    headers: { "If-Match": "{{new_etag}}" },
    then: [expect(204, "gone")],
  }),
  request("A deleted event is gone", "GET /calendar/events/{{event_id}}", { then: [refused(404, "event_not_found")] }),
  request("Delete an event whatever it is now", "DELETE /api/calendar/events/{{holiday_id}}", {
    headers: { "If-Match": "*" },
    then: [expect(204, "gone")],
  }),
  request("Create an event with a key of one's own", "POST /calendar/create_event", {
    headers: { "Idempotency-Key": "dinner-{{run}}" },
    body: dinner,
    then: [
      expect(201, "for the first time", () => {
        pm.expect(pm.response.headers.has("Idempotent-Replayed")).to.equal(false);
      }),
      keep("once_id", "pm.response.json().event.event_id"),
    ],
  }),
  request("Create it again with the same key", "POST /api/calendar/create_event", {
    headers: { "Idempotency-Key": "dinner-{{run}}" },
    body: dinner,
    then: [expect(201, "the first answer again", () => {
      pm.expect(pm.response.headers.get("Idempotent-Replayed")).to.equal("true");
      pm.expect(pm.response.json().event.event_id).to.equal(pm.collectionVariables.get("once_id"));
    })],
  }),
  request("Create another with the same key", "POST /calendar/create_event", {
    headers: { "Idempotency-Key": "dinner-{{run}}" },
    body: { ...dinner, event_name: "Lunch" },
    then: [refused(422, "idempotency_mismatch")],
  }),
  request("Create an event with too long a key", "POST /calendar/create_event", {
    headers: { "Idempotency-Key": "k".repeat(256) },
    body: dinner,
    then: [refused(400, "invalid", "Idempotency-Key")],
  }),
  request("Delete the one event there is of them", "DELETE /calendar/events/{{once_id}}", {
    headers: { "If-Match": "*" },
    then: [expect(204, "gone")],
  }),
);
