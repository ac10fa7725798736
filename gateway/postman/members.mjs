// bob joins over Socket.IO (long polling is plain HTTP), is given another
// role, is removed and let in again.

import { expect, folder, keep, refused, request } from "./request.mjs";

const poll = "/socket.io/?EIO=4&transport=polling";
const textual = { "Content-Type": "text/plain;charset=UTF-8" };
const ok = expect(200, "taken", () => {
  pm.expect(pm.response.text()).to.equal("ok");
});

export const members = folder(
  "Members",
  "Two people in one calendar.",
  request("Open a long-polling connection", `GET ${poll}`, {
    as: "nobody",
    then: [
      expect(200, "an Engine.IO handshake", () => {
        pm.expect(pm.response.text()).to.match(/^0\{.*"sid":/);
      }),
      keep("sid", "JSON.parse(pm.response.text().slice(1)).sid"),
    ],
  }),
  request("Connect with bob's token", `POST ${poll}&sid={{sid}}`, {
    as: "nobody",
    headers: textual,
    body: '40{"token":"{{bob_token}}"}',
    then: [ok],
  }),
  request("Wait for the connection", `GET ${poll}&sid={{sid}}`, {
    as: "nobody",
    then: [expect(200, "connected", () => {
      pm.expect(pm.response.text()).to.match(/(^|\u001e)40\{/);
    })],
  }),
  request("Join the calendar", `POST ${poll}&sid={{sid}}`, {
    as: "nobody",
    headers: textual,
    body: '420["join_calendar",{"calendar_name":"{{calendar}}","calendar_password":"roast"}]',
    then: [ok],
  }),
  request("Wait until bob has joined", `GET ${poll}&sid={{sid}}`, {
    as: "nobody",
    then: [
      'const answered = pm.response.text().split("\\u001e").find((packet) => packet.startsWith("430"));',
      // Presence and the like may come first.
      "if (!answered && pm.response.code === 200) return pm.execution.setNextRequest(pm.info.requestId);",
      expect(200, "joined", () => {
        pm.expect(JSON.parse(answered.slice(3))[0].ok).to.equal(true);
      }),
    ],
  }),
  request("List both members", "GET /calendar/calendars/{{calendar_id}}/members", {
    as: "bob",
    then: [expect(200, "an owner and an editor", () => {
      const roles = Object.fromEntries(pm.response.json().members.map((member) => [member.username, member.role]));
      pm.expect(roles).to.eql({
        [pm.collectionVariables.get("ann")]: "owner",
        [pm.collectionVariables.get("bob")]: "editor",
      });
    })],
  }),
  request("Create an event as an editor", "POST /calendar/create_event", {
    as: "bob",
    body: {
      calendar_name: "{{calendar}}",
      event_name: "Walk",
      event_start: "2026-08-01T10:00:00Z",
      event_end: "2026-08-01T11:00:00Z",
      participants: ["{{ann}}"],
    },
    then: [
      expect(201, "with both as participants", () => {
        const both = [pm.collectionVariables.get("ann"), pm.collectionVariables.get("bob")];
        pm.expect(pm.response.json().event.participants).to.have.members(both);
      }),
      keep("walk_id", "pm.response.json().event.event_id"),
    ],
  }),
  request("Change the calendar as an editor", "PATCH /calendar/calendars/{{calendar_id}}", {
    as: "bob",
    body: { color: "#000000" },
    then: [refused(403, "forbidden")],
  }),
  request("Remove the owner as an editor", "DELETE /calendar/calendars/{{calendar_id}}/members/{{ann}}", {
    as: "bob",
    then: [refused(403, "forbidden")],
  }),
  request("Make bob a viewer", "PATCH /calendar/calendars/{{calendar_id}}/members/{{bob}}", {
    body: { role: "viewer" },
    then: [expect(200, "a viewer", () => {
      pm.expect(pm.response.json()).to.include({ username: pm.collectionVariables.get("bob"), role: "viewer" });
    })],
  }),
  request("Read an event as a viewer", "GET /calendar/events/{{walk_id}}", { as: "bob", then: [expect(200, "read")] }),
  request("Change an event as a viewer", "PATCH /calendar/events/{{walk_id}}", {
    as: "bob",
    headers: { "If-Match": "*" },
    body: { event_name: "Run" },
    then: [refused(403, "read_only")],
  }),
  request("Delete an event as a viewer", "DELETE /calendar/events/{{walk_id}}", {
    as: "bob",
    headers: { "If-Match": "*" },
    then: [refused(403, "read_only")],
  }),
  request("Create an event as a viewer", "POST /api/calendar/create_event", {
    as: "bob",
    body: {
      calendar_name: "{{calendar}}",
      event_name: "Run",
      event_start: "2026-08-01T10:00:00Z",
      event_end: "2026-08-01T11:00:00Z",
    },
    then: [refused(403, "read_only")],
  }),
  request("Remove bob", "DELETE /api/calendar/calendars/{{calendar_id}}/members/{{bob}}", {
    then: [expect(204, "removed")],
  }),
  request("Read an event as a former member", "GET /calendar/events/{{walk_id}}", {
    as: "bob",
    then: [refused(404, "event_not_found")],
  }),
  request("Let bob in again", "PATCH /calendar/calendars/{{calendar_id}}/members/{{bob}}", {
    body: { role: "editor" },
    then: [expect(200, "an editor", () => {
      pm.expect(pm.response.json().role).to.equal("editor");
    })],
  }),
  request("Read what happened to the members", "GET /calendar/calendars/{{calendar_id}}/changes?since={{last_seq}}", {
    as: "bob",
    then: [expect(200, "every step", () => {
      const types = pm.response.json().changes.map((change) => change.type);
      pm.expect(types).to.include.members(["member_joined", "event_created", "role_changed", "member_left"]);
    })],
  }),
  request("Close the connection", `POST ${poll}&sid={{sid}}`, { as: "nobody", headers: textual, body: "1", then: [ok] }),
);
