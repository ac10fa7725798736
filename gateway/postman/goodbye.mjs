// Everything that was made goes again, so that a run leaves little behind.

import { expect, folder, refused, request } from "./request.mjs";

export const goodbye = folder(
  "Goodbye",
  "Calendar, sessions and accounts end.",
  request("Delete a calendar", "DELETE /calendar/calendars/{{calendar_id}}", { then: [expect(204, "gone")] }),
  request("Delete a calendar again", "DELETE /api/calendar/calendars/{{calendar_id}}", {
    then: [refused(404, "calendar_not_found")],
  }),
  request("Change the password with a wrong one", "POST /user/password", {
    body: { old: "wrong", new: "a new password" },
    then: [refused(403, "wrong_password")],
  }),
  request("Change the password to a short one", "POST /user/password", {
    body: { old: "{{password}}", new: "short" },
    then: [refused(400, "invalid", "new")],
  }),
  request("Change the password", "POST /api/user/password", {
    body: { old: "{{password}}", new: "new {{password}}" },
    then: [expect(204, "changed")],
  }),
  request("This session goes on", "GET /user/sessions", {
    then: [expect(200, "alone", () => {
      pm.expect(pm.response.json().sessions.map((session) => session.current)).to.eql([true]);
    })],
  }),
  request("Log out", "POST /user/logout", { as: "bob", then: [expect(204, "logged out")] }),
  request("The token is dead after logout", "POST /api/user/logout", { as: "bob", then: [refused(401, "unauthenticated")] }),
  request("Remove the account with a wrong password", "DELETE /user", {
    body: { password: "{{password}}" },
    then: [refused(403, "wrong_password")],
  }),
  request("Remove the account", "DELETE /user", { body: { password: "new {{password}}" }, then: [expect(204, "removed")] }),
  request("The token is dead after removal", "GET /api/user/sessions", { then: [refused(401, "unauthenticated")] }),
);
