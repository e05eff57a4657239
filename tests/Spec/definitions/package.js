// The definitions in npm's @matrix-org/spec. It has them as TypeScript types, from which JSON schemas are made again; 1.10.1 is the last
// version that has any, and types say less than the definitions themselves: numbers need not be whole, and texts have no patterns.
import { readFile, writeFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import { createGenerator } from "ts-json-schema-generator";
import { routes, shapeOf } from "../support/routes.js";

export const name = "@matrix-org/spec 1.10.1";

export async function read() {
  const apis = await Promise.all(["client-server", "server-server", "application-service"].map(readTypes));
  return { Ajv, operations: apis.flat(), edus: new Map() };
}

async function readTypes(api) {
  const schema = await schemaOf(fileURLToPath(new URL(`../node_modules/@matrix-org/spec/${api}.d.ts`, import.meta.url)));
  const definitions = schema.definitions;
  return Object.entries(schema.properties).flatMap(([path, methods]) =>
    Object.entries(methods.properties).map(([method, operation]) => {
      const { parameters, requestBody, responses } = operation.properties;
      return {
        method: method.toUpperCase(),
        path,
        query: within(parameters?.properties.query),
        body: within(json(requestBody)),
        isBodyRequired: operation.required?.includes("requestBody") ?? false,
        responses: new Map(Object.entries(responses.properties).map(([status, response]) => [Number(status), within(json(response))])),
      };
    }));

  function within(part) {
    return part && { ...part, definitions };
  }
}

// Of the client-server API only the paths that are served: all of it takes long.
const isServed = (path) => !path.startsWith("/_matrix/client/") || routes.some((route) => shapeOf(route.path) === shapeOf(path));

// An object about which nothing is said is one whose members may be anything. openapi-typescript writes that as one that has none.
async function schemaOf(file) {
  const folder = await mkdtemp(join(tmpdir(), "matrix-spec-"));
  try {
    const path = join(folder, "types.ts");
    const types = await readFile(file, "utf8");
    await writeFile(path, types
      .replace(/^  "(\/[^"]*)": \{\n[^]*?^  \};\n/gm, (entry, path) => (isServed(path) ? entry : ""))
      .replaceAll("Record<string, never>", "Record<string, unknown>").replaceAll("content: never", "content: unknown"));
    return createGenerator({ path, type: "paths", expose: "all", jsDoc: "none", topRef: false, additionalProperties: true, skipTypeCheck: true })
      .createSchema("paths");
  } finally {
    await rm(folder, { recursive: true });
  }
}

const json = (message) => message?.properties?.content?.properties?.["application/json"];
