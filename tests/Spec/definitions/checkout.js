// The definitions in a checkout of github.com/matrix-org/matrix-spec: OpenAPI, as it is written there.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { $RefParser } from "@apidevtools/json-schema-ref-parser";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";

export async function read(folder) {
  const files = [];
  for (const api of ["client-server", "server-server", "application-service"]) {
    const apiFolder = join(folder, "data/api", api);
    for (const file of await readdir(apiFolder)) if (file.endsWith(".yaml")) files.push(join(apiFolder, file));
  }
  const documents = await Promise.all(files.map(dereferenced));
  return { Ajv: Ajv2020, operations: documents.flatMap(operationsOf), edus: await readEdus(folder) };
}

// What an EDU holds is defined beside the transactions that carry it.
async function readEdus(folder) {
  const edus = join(folder, "data/api/server-server/definitions/event-schemas");
  const files = (await readdir(edus)).filter((file) => file.endsWith(".yaml"));
  return new Map(await Promise.all(files.map(async (file) => [file.replace(/\.yaml$/, ""), await dereferenced(join(edus, file))])));
}

// Examples refer to files in ways of their own, and are not needed.
async function dereferenced(file) {
  const withoutExamples = { order: 1, canParse: /\.ya?ml$/, parse: ({ data }) => parse(data.toString(), (name, value) => (isExample(name) ? undefined : value), { strict: false }) };
  return $RefParser.dereference(file, { parse: { yaml: withoutExamples, json: false }, dereference: { circular: "ignore" } });
}

const isExample = (name) => name === "example" || name === "examples";

function operationsOf({ paths, servers }) {
  const basePath = servers[0].variables?.basePath?.default ?? "";
  return Object.entries(paths).flatMap(([path, methods]) =>
    ["get", "put", "post", "delete"].filter((method) => methods[method]).map((method) => {
      const { parameters = [], requestBody, responses } = methods[method];
      return {
        method: method.toUpperCase(),
        path: basePath + path,
        query: queryOf([...methods.parameters ?? [], ...parameters]),
        body: json(requestBody),
        isBodyRequired: requestBody?.required ?? false,
        responses: new Map(Object.entries(responses).map(([status, response]) => [Number(status), json(response)])),
      };
    }));
}

function queryOf(parameters) {
  const inQuery = parameters.filter((parameter) => parameter.in === "query");
  return {
    type: "object",
    properties: Object.fromEntries(inQuery.map(({ name, schema }) => [name, schema])),
    required: inQuery.filter(({ required }) => required).map(({ name }) => name),
  };
}

const json = (message) => message?.content?.["application/json"]?.schema;
