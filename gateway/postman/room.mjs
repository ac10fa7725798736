// What happened in the calendar and what was said.

import { expect, folder, keep, limited, refused, request } from "./request.mjs";

export const room = folder(
  "Room",
  "The log that sockets replay, read over REST.",
  request("List changes", "GET /calendar/calendars/{{calendar_id}}/changes?since=0", {
    then: [
      limited(120),
      expect(200, "in order, without a gap", () => {
        const { changes, last_seq } = pm.response.json();
        const seqs = changes.map((change) => change.seq);
        pm.expect(seqs).to.eql(seqs.map((_, place) => seqs[0] + place));
        pm.expect(seqs.at(-1)).to.equal(last_seq);
        const types = changes.map((change) => change.type);
        pm.expect(types).to.include.members(["settings_changed", "event_created", "event_updated", "event_deleted"]);
        for (const change of changes) {
          pm.expect(change).to.include({
            calendar_id: pm.collectionVariables.get("calendar_id"),
            calendar_name: pm.collectionVariables.get("calendar"),
            by: pm.collectionVariables.get("ann"),
          });
        }
        const created = changes.find((change) => change.type === "event_created");
        pm.expect(created.event.event_id).to.equal(pm.collectionVariables.get("event_id"));
      }),
      keep("last_seq", "pm.response.json().last_seq"),
    ],
  }),
  request("List changes in pages", "GET /api/calendar/calendars/{{calendar_id}}/changes?since=1&limit=1", {
    then: [expect(200, "the one after", () => {
      pm.expect(pm.response.json().changes.map((change) => change.seq)).to.eql([2]);
    })],
  }),
  request("List changes when there are none", "GET /calendar/calendars/{{calendar_id}}/changes?since={{last_seq}}", {
    then: [expect(200, "none", () => {
      pm.expect(pm.response.json()).to.eql({ changes: [], last_seq: Number(pm.collectionVariables.get("last_seq")) });
    })],
  }),
  request("List changes since no number", "GET /calendar/calendars/{{calendar_id}}/changes?since=-1", {
    then: [refused(400, "invalid", "since")],
  }),
  request("List changes of a foreign calendar", "GET /calendar/calendars/{{calendar_id}}/changes", {
    as: "bob",
    then: [refused(404, "calendar_not_found")],
  }),
  request("List messages", "GET /calendar/calendars/{{calendar_id}}/messages", {
    then: [limited(120), expect(200, "none was said", () => {
      pm.expect(pm.response.json()).to.eql({ messages: [] });
    })],
  }),
  request("List too many messages", "GET /api/calendar/calendars/{{calendar_id}}/messages?limit=201", {
    then: [refused(400, "invalid", "limit")],
  }),
  request("List messages of a foreign calendar", "GET /calendar/calendars/{{calendar_id}}/messages", {
    as: "bob",
    then: [refused(404, "calendar_not_found")],
  }),
);
