// What needs no account: status, documents, keys, and paths that are none.

import { expect, folder, refused, request } from "./request.mjs";

const up = expect(200, "with the source's text", () => {
  pm.expect(pm.response.json()).to.eql({ message: "Service and database are up and running" });
});

export const system = folder(
  "System",
  "Needs no token.",
  request("Status of accounts", "GET /user/status", { as: "nobody", then: [up] }),
  request("Status of accounts under /api", "GET /api/user/status", { as: "nobody", then: [up] }),
  request("Status of calendars", "GET /calendar/status", { as: "nobody", then: [up] }),
  request("Status by HEAD", "HEAD /calendar/status", {
    as: "nobody",
    then: [expect(200, "without a body", () => {
      pm.expect(pm.response.text()).to.equal("");
    })],
  }),
  request("Public keys", "GET /.well-known/jwks.json", {
    as: "nobody",
    then: [expect(200, "a key set for EdDSA", () => {
      const keys = pm.response.json().keys;
      pm.expect(keys).to.be.an("array").that.is.not.empty;
      for (const key of keys) {
        pm.expect(key).to.include({ kty: "OKP", crv: "Ed25519" });
        pm.expect(key.kid).to.be.a("string").that.is.not.empty;
        pm.expect(key).to.not.have.property("d");
      }
    })],
  }),
  request("OpenAPI document", "GET /openapi.json", {
    as: "nobody",
    then: [expect(200, "OpenAPI 3.1 with every route", () => {
      const document = pm.response.json();
      pm.expect(document.openapi).to.match(/^3\.1\./);
      pm.expect(document.paths).to.include.all.keys("/user/register", "/calendar/create_event", "/ws/ticket");
    })],
  }),
  request("Documentation page", "GET /docs", {
    as: "nobody",
    then: [expect(200, "a page that loads only from here", () => {
      pm.expect(pm.response.headers.get("Content-Type")).to.include("text/html");
      pm.expect(pm.response.headers.get("Content-Security-Policy")).to.include("script-src 'self'");
      pm.expect(pm.response.text()).to.not.include("://");
    })],
  }),
  request("No such route", "GET /nothing-here", { as: "nobody", then: [refused(404, "not_found")] }),
  request("Method not allowed", "GET /user/register", {
    as: "nobody",
    then: [refused(405, "method_not_allowed"), expect(405, "with Allow", () => {
      pm.expect(pm.response.headers.get("Allow")).to.include("POST");
    })],
  }),
);
