// The words in which the requests are written.

/** The lines of a function's body, as a script in the collection. */
export function source(body) {
  const lines = body.toString().split("\n").slice(1, -1);
  const indent = Math.min(...lines.filter((line) => line.trim()).map((line) => line.search(/\S/)));
  return lines.map((line) => line.slice(indent)).join("\n");
}

/** A script of an item. */
export function script(listen, code) {
  return { listen, script: { type: "text/javascript", exec: code.split("\n") } };
}

/** A folder of requests, run in order. */
export function folder(name, description, ...item) {
  return { name, description, item };
}

/**
 * A request and what is expected of its answer.
 *
 * `call` is method and path; the path is that of the route, with or without
 * `/api`. `as` is who calls: ann (the default), bob, nobody, or any text as a
 * token. `then` is a list of scripts, run on the answer.
 */
export function request(name, call, { as = "ann", body, headers = {}, before, then }) {
  const [method, path] = call.split(" ");
  const header = Object.entries(headers).map(([key, value]) => ({ key, value }));
  const request = { method, header, url: `{{base_url}}${path}` };
  if (as === "nobody") {
    request.auth = { type: "noauth" };
  } else if (as !== "ann") {
    const value = as === "bob" ? "{{bob_token}}" : as;
    request.auth = { type: "bearer", bearer: [{ key: "token", value, type: "string" }] };
  }
  if (body !== undefined) {
    const raw = typeof body === "string" ? body : JSON.stringify(body, null, 2);
    request.body = { mode: "raw", raw, options: { raw: { language: headers["Content-Type"]?.startsWith("text/") ? "text" : "json" } } };
    if (!headers["Content-Type"]) {
      header.push({ key: "Content-Type", value: "application/json" });
    }
  }
  // A 429 is dealt with for the whole collection: the request comes again.
  const checks = ["if (pm.response.code === 429) return;", ...then].join("\n\n");
  const event = [script("test", checks)];
  if (before) {
    event.push(script("prerequest", source(before)));
  }
  return { name, event, request };
}

/** Expects a status; the function, if any, looks at the answer. */
export function expect(status, name, look) {
  const lines = [`pm.test(${JSON.stringify(`${status} ${name}`)}, () => {`, `  pm.response.to.have.status(${status});`];
  if (look) {
    lines.push(...source(look).split("\n").map((line) => (line ? `  ${line}` : line)));
  }
  return [...lines, "});"].join("\n");
}

/** Expects a problem with this code, and with this field named, if any. */
export function refused(status, code, field) {
  const named = field ? ` naming ${field}` : "";
  const lines = [
    `pm.test(${JSON.stringify(`${status} ${code}${named}`)}, () => {`,
    `  pm.response.to.have.status(${status});`,
    `  pm.expect(pm.response.json().code).to.equal(${JSON.stringify(code)});`,
  ];
  if (field) {
    lines.push(`  pm.expect(pm.response.json().errors.map((error) => error.field)).to.include(${JSON.stringify(field)});`);
  }
  return [...lines, "});"].join("\n");
}

/** Keeps a value of the answer for later requests. */
export function keep(variable, expression) {
  return `if (pm.response.code < 300) {\n  pm.collectionVariables.set(${JSON.stringify(variable)}, ${expression});\n}`;
}

/** Expects the budget of a limited route to be shown. */
export function limited(perMinute) {
  return [
    `pm.test("a budget of ${perMinute} a minute is shown", () => {`,
    `  pm.expect(Number(pm.response.headers.get("x-ratelimit-limit"))).to.be.above(0);`,
    `  pm.expect(Number(pm.response.headers.get("x-ratelimit-remaining"))).to.be.least(0);`,
    `});`,
  ].join("\n");
}
