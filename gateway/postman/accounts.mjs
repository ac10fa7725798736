// Register, log in, sessions, tickets.

import { expect, folder, keep, limited, refused, request } from "./request.mjs";

export const accounts = folder(
  "Accounts",
  "Two people, ann and bob, with names made for this run.",
  request("Register", "POST /user/register", {
    as: "nobody",
    // Unknown fields are ignored: nobody makes themselves an administrator.
    body: { username: "{{ann}}", password: "{{password}}", role: "admin" },
    then: [
      limited(5),
      expect(201, "with the source's text", () => {
        pm.expect(pm.response.json()).to.eql({
          message: "User registered successfully!",
          username: pm.collectionVariables.get("ann"),
        });
      }),
    ],
  }),
  request("Register under /api", "POST /api/user/register", {
    as: "nobody",
    body: { username: "{{bob}}", password: "{{password}}" },
    then: [expect(201, "created")],
  }),
  request("Register a name in use, in capitals", "POST /user/register", {
    as: "nobody",
    before: () => {
      pm.variables.set("ANN", pm.collectionVariables.get("ann").toUpperCase());
    },
    body: { username: "{{ANN}}", password: "{{password}}" },
    then: [refused(409, "username_taken")],
  }),
  request("Register without a password", "POST /user/register", {
    as: "nobody",
    body: { username: "somebody" },
    then: [refused(400, "invalid", "password")],
  }),
  request("Log in", "POST /user/login", {
    as: "nobody",
    body: { username: "{{ann}}", password: "{{password}}" },
    then: [
      limited(5),
      expect(200, "with token and expiry", () => {
        const answer = pm.response.json();
        pm.expect(answer.message).to.equal("Logged in successfully!");
        pm.expect(answer.username).to.equal(pm.collectionVariables.get("ann"));
        pm.expect(answer.token.split(".")).to.have.lengthOf(3);
        pm.expect(Date.parse(answer.expires_at)).to.be.above(Date.now());
        pm.expect(answer.expires_at).to.match(/Z$/);
      }),
      keep("ann_token", "pm.response.json().token"),
    ],
  }),
  request("Log in elsewhere, under /api", "POST /api/user/login", {
    as: "nobody",
    body: { username: "{{ann}}", password: "{{password}}" },
    headers: { "User-Agent": "another device" },
    then: [expect(200, "a second session"), keep("other_token", "pm.response.json().token")],
  }),
  request("Log in as bob", "POST /user/login", {
    as: "nobody",
    body: { username: "{{bob}}", password: "{{password}}" },
    then: [expect(200, "logged in"), keep("bob_token", "pm.response.json().token")],
  }),
  request("Log in with a wrong password", "POST /user/login", {
    as: "nobody",
    body: { username: "{{ann}}", password: "wrong" },
    then: [refused(401, "invalid_credentials")],
  }),
  request("Log in without a username", "POST /user/login", {
    as: "nobody",
    body: { username: 5, password: "{{password}}" },
    then: [refused(400, "invalid", "username")],
  }),
  request("Sessions", "GET /user/sessions", {
    then: [
      expect(200, "both of ann's, one of them this one", () => {
        const sessions = pm.response.json().sessions;
        pm.expect(sessions).to.have.lengthOf(2);
        pm.expect(sessions.filter((session) => session.current)).to.have.lengthOf(1);
        for (const session of sessions) {
          pm.expect(session).to.include.all.keys("session_id", "created_at", "last_seen_at", "expires_at", "user_agent");
        }
      }),
      keep("other_session", "pm.response.json().sessions.find((session) => !session.current).session_id"),
    ],
  }),
  request("Sessions without a token", "GET /user/sessions", {
    as: "nobody",
    then: [refused(401, "unauthenticated"), expect(401, "with a challenge", () => {
      pm.expect(pm.response.headers.get("WWW-Authenticate")).to.equal("Bearer");
    })],
  }),
  request("Sessions with a broken token", "GET /user/sessions", {
    as: "not.a.token",
    then: [refused(401, "unauthenticated")],
  }),
  request("End somebody else's session", "DELETE /user/sessions/{{other_session}}", {
    as: "bob",
    then: [refused(404, "session_not_found")],
  }),
  request("End a session that is none", "DELETE /user/sessions/1", { then: [refused(404, "session_not_found")] }),
  request("End the other session", "DELETE /user/sessions/{{other_session}}", {
    then: [expect(204, "without a body", () => {
      pm.expect(pm.response.text()).to.equal("");
    })],
  }),
  request("The ended session's token is dead", "GET /user/sessions", {
    as: "{{other_token}}",
    then: [refused(401, "unauthenticated")],
  }),
  request("Ticket for the socket", "POST /ws/ticket", {
    then: [expect(201, "for 30 seconds", () => {
      pm.expect(pm.response.json().ticket).to.be.a("string").that.is.not.empty;
      pm.expect(pm.response.json().expires_in).to.be.within(1, 30);
    })],
  }),
  request("Ticket without a token", "POST /ws/ticket", { as: "nobody", then: [refused(401, "unauthenticated")] }),
);
