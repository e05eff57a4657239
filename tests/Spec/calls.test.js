// Every endpoint is called, and what it answers is as the specification says.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { clientCalls, serverCalls } from "./calls.js";
import { faults as known, neverSucceeds, notInTheSpecification, notServed, open, withoutBody } from "./exceptions.js";
import { exchange } from "./support/exchange.js";
import { isUnstable, routes, shapeOf } from "./support/routes.js";
import { readSpecification } from "./support/specification.js";
import { startWorld } from "./support/world.js";

const largest = 15 * 1024 * 1024;
const specification = await readSpecification();
const official = routes.filter((route) => !isUnstable(route));
const isMapped = ({ route }) => official.some(({ name }) => name === route);
const calls = [...["v3", "r0", "unstable"].flatMap((version) => clientCalls.map((one) => ({ ...one, route: under(version, one.route) }))), ...serverCalls]
  .filter(isMapped);
let world;

before(async () => { world = await startWorld(); });
after(() => world?.stop());

describe(`As ${specification.name} says`, () => {
  for (const { route, status, why, request } of calls) {
    test(`${route}, ${why}: ${status}`, async () => {
      const [method, path] = route.split(" ");
      world.client = (verb, target, options) => exchange(world.homeserver.url, verb, under(versionOf(path), target), options);
      await answers(status, method, path, await request(world));
    });
  }

  for (const { name, method, path } of official) {
    const isOfClients = path.startsWith("/_matrix/client/");
    const isSigned = path.startsWith("/_matrix/federation/") && !path.endsWith("/version");

    test(`${name}, with another method: 405`, () => answers(405, "PATCH", path, {}));

    if (isOfClients && !open.includes(short(name)))
      test(`${name}, with no access token and with none that is known: 401`, async () => {
        const missing = await answers(401, method, path, {});
        const unknown = await answers(401, method, path, { token: "unknown" });
        assert.deepEqual([missing.json.errcode, unknown.json.errcode], ["M_MISSING_TOKEN", "M_UNKNOWN_TOKEN"]);
      });

    if (isSigned) test(`${name}, without a signature: 401`, () => answers(401, method, path, { body: method === "GET" ? undefined : {} }));

    if (["POST", "PUT"].includes(method) && !withoutBody.includes(short(name)))
      test(`${name}, with a body that is no JSON, no object or too large: 400 or 413`, async () => {
        const { token, userId } = await world.user();
        const asking = { ...isSigned ? { signed: true } : { token }, userId };
        const codes = [];
        for (const [status, body] of [[400, []], [400, "{"], [413, `"${"x".repeat(largest)}"`]])
          codes.push((await answers(status, method, path, { ...asking, body })).json.errcode);
        assert.deepEqual(codes, ["M_BAD_JSON", "M_NOT_JSON", "M_TOO_LARGE"]);
      });
  }

  for (const prefix of ["client/v3", "client/r0", "client/v99", "federation/v1", "key/v2"])
    test(`GET /_matrix/${prefix}/nothing, an endpoint that is not there: 404`, () => answers(404, "GET", `/_matrix/${prefix}/nothing`, {}));

  test("What it asks another server and sends to it", async () => {
    await world.peer.received("m.direct_to_device");
    const { exchanges } = world.peer;
    for (const path of ["/_matrix/key/v2/server", "/_matrix/federation/v1/user/keys/query", "/_matrix/federation/v1/user/keys/claim"])
      assert.ok(exchanges.some((one) => one.path === path), path);
    assert.deepEqual(exchanges.flatMap(unexpected), []);
  });

  test("Every route is called with success, or it is said why not", () => {
    const called = new Set(calls.filter(({ status }) => status < 400).map(({ route }) => route));
    assert.deepEqual(official.map(({ name }) => name).filter((name) => !called.has(name) && !neverSucceeds[name] && !notInTheSpecification[name]), []);
  });

  test("Every route is one of the specification, or it is said why not", () => {
    const isThere = ({ method, path }) => specification.operations.some((one) => one.method === method && shapeOf(one.path) === shapeOf(path));
    assert.deepEqual(official.filter((route) => !isThere(route) && !notInTheSpecification[route.name]).map(({ name }) => name), []);
  });

  test("Every path that is served has all methods that it has in the specification, or it is said why not", () => {
    const served = new Set(routes.map(({ method, path }) => `${method} ${shapeOf(path)}`));
    const paths = new Set(routes.map(({ path }) => shapeOf(path)));
    const missing = specification.operations.filter(({ method, path }) => paths.has(shapeOf(path)) && !served.has(`${method} ${shapeOf(path)}`));
    assert.deepEqual(missing.map(({ method, path }) => `${method} ${path}`).filter((name) => !notServed[name]), []);
  });

  test("Every exception is one", () => assert.deepEqual(known.filter(({ isNeeded }) => !isNeeded).map(({ fault }) => String(fault)), []));
});

async function answers(status, method, template, { token, signed, query, body, ...variables }) {
  const path = template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(variables[name] ?? "x")) + (query ? `?${query}` : "");
  const answer = signed
    ? await world.peer.ask(world.homeserver, method, path, body)
    : await exchange(world.homeserver.url, method, path, { token, body });
  assert.equal(answer.status, status, answer.body);
  assert.deepEqual(unexpected(answer), []);
  return answer;
}

function unexpected(exchange) {
  return specification.check(exchange).filter((fault) => {
    const exception = known.find((one) => one.fault.test(fault));
    if (exception) exception.isNeeded = true;
    return !exception;
  });
}

function under(version, route) {
  return route.replace(/^(\w+ )?\//, (_, method = "") => `${method}/_matrix/client/${version}/`);
}

function short(name) {
  return name.replace(/\/_matrix\/client\/(v3|r0|unstable)\//, "/");
}

function versionOf(path) {
  return path.split("/")[3] === "r0" ? "r0" : "v3";
}
