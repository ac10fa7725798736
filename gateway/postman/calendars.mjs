// Create, list, change a calendar; its members.

import { expect, folder, keep, limited, refused, request } from "./request.mjs";

const absent = "00000000-0000-7000-8000-000000000000";

export const calendars = folder(
  "Calendars",
  "ann owns one; bob is in none.",
  request("Create a calendar without a token", "POST /calendar/create_calendar", {
    as: "nobody",
    body: { calendar_name: "{{calendar}}", calendar_password: "roast" },
    then: [refused(401, "unauthenticated")],
  }),
  request("Create a calendar", "POST /calendar/create_calendar", {
    body: {
      calendar_name: "  {{calendar}} ",
      calendar_password: "roast",
      time_zone: "Europe/Berlin",
      color: "#3366cc",
      owner: "{{bob}}",
    },
    then: [
      limited(5),
      expect(201, "with its creator as owner", () => {
        const { message, calendar } = pm.response.json();
        pm.expect(message).to.equal("New calendar created");
        pm.expect(calendar).to.include({
          calendar_name: pm.collectionVariables.get("calendar"),
          time_zone: "Europe/Berlin",
          color: "#3366cc",
          role: "owner",
          member_count: 1,
        });
        pm.expect(calendar).to.not.have.property("calendar_password");
        pm.expect(pm.response.headers.get("Location")).to.equal(`/calendar/calendars/${calendar.calendar_id}`);
      }),
      keep("calendar_id", "pm.response.json().calendar.calendar_id"),
    ],
  }),
  request("Create a calendar with a name in use", "POST /api/calendar/create_calendar", {
    as: "bob",
    before: () => {
      pm.variables.set("CALENDAR", pm.collectionVariables.get("calendar").toUpperCase());
    },
    body: { calendar_name: "{{CALENDAR}}", calendar_password: "roast" },
    then: [refused(409, "calendar_name_taken")],
  }),
  request("Create a calendar without a name", "POST /calendar/create_calendar", {
    as: "bob",
    body: { calendar_password: "roast" },
    then: [refused(400, "invalid", "calendar_name")],
  }),
  request("Create a calendar in no zone", "POST /calendar/create_calendar", {
    as: "bob",
    body: { calendar_name: "{{calendar}} 2", calendar_password: "roast", time_zone: "Europe/Nowhere" },
    then: [refused(400, "invalid", "time_zone")],
  }),
  request("List calendars", "GET /calendar/calendars", {
    then: [expect(200, "the one that ann is in", () => {
      const [calendar, ...others] = pm.response.json().calendars;
      pm.expect(others).to.eql([]);
      pm.expect(calendar).to.include({ role: "owner", member_count: 1 });
      pm.expect(calendar.last_seq).to.be.a("number");
    })],
  }),
  request("List calendars as bob, under /api", "GET /api/calendar/calendars", {
    as: "bob",
    then: [expect(200, "none", () => {
      pm.expect(pm.response.json().calendars).to.eql([]);
    })],
  }),
  request("Change a calendar", "PATCH /calendar/calendars/{{calendar_id}}", {
    headers: { "Content-Type": "application/merge-patch+json" },
    body: { color: null, default_reminders: [15], calendar_id: absent },
    then: [expect(200, "cleared what was null, kept what was absent", () => {
      const calendar = pm.response.json();
      pm.expect(calendar).to.include({ color: "", time_zone: "Europe/Berlin" });
      pm.expect(calendar.calendar_id).to.equal(pm.collectionVariables.get("calendar_id"));
      pm.expect(calendar.default_reminders).to.eql([15]);
    })],
  }),
  request("Change a calendar's name to nothing", "PATCH /calendar/calendars/{{calendar_id}}", {
    body: { calendar_name: null },
    then: [refused(400, "invalid", "calendar_name")],
  }),
  request("Change a calendar with a list", "PATCH /calendar/calendars/{{calendar_id}}", {
    body: [],
    then: [refused(400, "invalid", "body")],
  }),
  request("Change a calendar as text", "PATCH /calendar/calendars/{{calendar_id}}", {
    headers: { "Content-Type": "text/plain" },
    body: "color=red",
    then: [refused(415, "unsupported_media_type")],
  }),
  request("Change a foreign calendar", "PATCH /calendar/calendars/{{calendar_id}}", {
    as: "bob",
    body: { color: "#000000" },
    then: [refused(404, "calendar_not_found")],
  }),
  request("Change an absent calendar", `PATCH /calendar/calendars/${absent}`, {
    as: "bob",
    body: { color: "#000000" },
    then: [refused(404, "calendar_not_found")],
  }),
  request("Change a calendar by no id", "PATCH /calendar/calendars/family", {
    body: { color: "#000000" },
    then: [refused(404, "calendar_not_found")],
  }),
  request("Delete a foreign calendar", "DELETE /calendar/calendars/{{calendar_id}}", {
    as: "bob",
    then: [refused(404, "calendar_not_found")],
  }),
  request("List members", "GET /calendar/calendars/{{calendar_id}}/members", {
    then: [expect(200, "ann alone", () => {
      const [member, ...others] = pm.response.json().members;
      pm.expect(others).to.eql([]);
      pm.expect(member).to.include({ username: pm.collectionVariables.get("ann"), role: "owner" });
      pm.expect(member.joined_at).to.match(/Z$/);
    })],
  }),
  request("List members of a foreign calendar", "GET /api/calendar/calendars/{{calendar_id}}/members", {
    as: "bob",
    then: [refused(404, "calendar_not_found")],
  }),
  request("Take the last owner's role", "PATCH /calendar/calendars/{{calendar_id}}/members/{{ann}}", {
    body: { role: "viewer" },
    then: [refused(409, "last_owner")],
  }),
  request("Give a role that is none", "PATCH /calendar/calendars/{{calendar_id}}/members/{{ann}}", {
    body: { role: "king" },
    then: [refused(400, "invalid", "role")],
  }),
  request("Give a role to nobody in it", "PATCH /calendar/calendars/{{calendar_id}}/members/{{bob}}", {
    body: { role: "editor" },
    then: [refused(404, "member_not_found")],
  }),
  request("Remove the last owner", "DELETE /calendar/calendars/{{calendar_id}}/members/{{ann}}", {
    then: [refused(409, "last_owner")],
  }),
  request("Remove nobody in it", "DELETE /calendar/calendars/{{calendar_id}}/members/{{bob}}", {
    then: [refused(404, "member_not_found")],
  }),
);
