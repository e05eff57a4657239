// Holds requests and answers against the definitions: the package's, or those of a checkout of github.com/matrix-org/matrix-spec that
// MATRIX_SPEC names.
import addFormats from "ajv-formats";
import * as checkout from "../definitions/checkout.js";
import * as npmPackage from "../definitions/package.js";
import { officialPath } from "./routes.js";

// "Common error codes" and "Other error codes" of the client-server API: any endpoint may answer with them, listed there or not.
const standardErrors = new Set([400, 401, 403, 404, 405, 413, 429]);

// These come before anything else: a 401 that an endpoint has for other reasons is another one.
const tokenErrors = ["M_MISSING_TOKEN", "M_UNKNOWN_TOKEN", "M_USER_LOCKED"];

const cors = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "GET, POST, PUT, DELETE, OPTIONS",
  "access-control-allow-headers": "X-Requested-With, Content-Type, Authorization",
};

export async function readSpecification() {
  const { MATRIX_SPEC: folder } = process.env;
  return new Specification(folder ? await checkout.read(folder) : await npmPackage.read(), folder ?? npmPackage.name);
}

export class Specification {
  #ajv;
  #coercing;
  #edus;
  #validators = new Map();

  constructor({ Ajv, operations, edus }, name) {
    const options = { strict: false, allErrors: true, formats: {}, logger: false };
    this.name = name;
    this.#ajv = addFormats(new Ajv(options));
    // A query is text: a number there is what can be read as one.
    this.#coercing = addFormats(new Ajv({ ...options, coerceTypes: true }));
    this.#edus = edus;
    this.operations = operations.map((operation) => ({ ...operation, pattern: patternOf(operation.path) }));
    // What is written out is meant before what may be anything.
    this.operations.sort((one, other) => variablesOf(one.path) - variablesOf(other.path));
  }

  find(method, path) {
    return this.operations.find((operation) => operation.method === method && operation.pattern.test(officialPath(path)));
  }

  methodsOf(path) {
    return this.operations.filter((operation) => operation.pattern.test(officialPath(path))).map(({ method }) => method);
  }

  // What is wrong with an exchange, each in one line. A request that was refused was mostly meant to be wrong.
  check({ method, path: target, requestBody, status, headers, body }) {
    const [path, query] = target.split("?");
    const operation = this.find(method, path);
    const json = parse(body);
    return [
      ...operation && status < 400 ? this.#checkRequest(operation, query, requestBody) : [],
      ...checkForm(status, headers, json, path),
      ...operation ? this.#checkAnswer(operation, status, json) : status < 400 ? ["the specification has no such endpoint"] : [],
    ].map((fault) => `${method} ${operation?.path ?? path} → ${status}: ${fault}`);
  }

  // The parts of a transaction: the transaction's own definition says nothing of what is in them.
  checkEdu(edu) {
    const schema = this.#edus.get(edu.edu_type);
    return schema ? this.#validate(this.#ajv, schema, edu).map((fault) => `${edu.edu_type}: ${fault}`) : [];
  }

  #checkRequest(operation, query, requestBody) {
    const body = parse(requestBody);
    const faults = operation.query ? this.#validate(this.#coercing, operation.query, Object.fromEntries(new URLSearchParams(query))) : [];
    if (body !== undefined && operation.body) faults.push(...this.#validate(this.#ajv, operation.body, body));
    if (body === undefined && operation.isBodyRequired) faults.push("there is no body");
    return [...faults, ...(body?.edus ?? []).flatMap((edu) => this.checkEdu(edu))].map((fault) => `request: ${fault}`);
  }

  #checkAnswer(operation, status, json) {
    if (operation.responses.has(status) && !tokenErrors.includes(json?.errcode)) {
      const schema = operation.responses.get(status);
      return schema ? this.#validate(this.#ajv, schema, json) : [];
    }
    return standardErrors.has(status) ? [] : [`it is none of ${[...operation.responses.keys()].join(", ")}`];
  }

  #validate(ajv, schema, value) {
    if (!this.#validators.has(schema)) this.#validators.set(schema, ajv.compile(schema));
    const validate = this.#validators.get(schema);
    return validate(value) ? [] : validate.errors.map(({ instancePath, message, params }) =>
      `${instancePath || "/"} ${message}${params.allowedValues ? ` (${params.allowedValues})` : ""}`);
  }
}

// What all answers have in common: JSON that says so, errors in one form, and clients in browsers may read them.
function checkForm(status, headers, json, path) {
  const faults = [];
  if (!headers["content-type"]?.startsWith("application/json")) faults.push(`the content type is ${headers["content-type"]}`);
  if (json === undefined) faults.push("the body is not JSON");
  if (path.startsWith("/_matrix/client/"))
    for (const [name, value] of Object.entries(cors)) if (headers[name] !== value) faults.push(`${name} is ${headers[name]}`);

  // The first answer of user-interactive authentication is a 401 that asks.
  const isQuestion = status === 401 && Array.isArray(json?.flows);
  if (status >= 400 && !isQuestion)
    for (const name of ["errcode", "error"]) if (typeof json?.[name] !== "string") faults.push(`the error has no ${name}`);
  if (status === 429 && !headers["retry-after"]) faults.push("there is no Retry-After");
  return faults;
}

function patternOf(path) {
  const escaped = path.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replace(/\{[^}]+\}/g, "[^/]*")}$`);
}

const variablesOf = (path) => path.split("{").length;

function parse(text) {
  if (text === undefined || text.length === 0) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
