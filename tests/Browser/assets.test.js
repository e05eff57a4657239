// What is shipped is what its sources build.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const sources = fileURLToPath(new URL("../../samples/LocalHomeserver/Page", import.meta.url));
const shipped = fileURLToPath(new URL("../../samples/LocalHomeserver/wwwroot", import.meta.url));

test("The page that is shipped is the one that its sources and its lock file build, byte for byte", async () => {
  const built = await mkdtemp(join(tmpdir(), "todevice-page-"));
  try {
    await promisify(execFile)(process.execPath, ["build.js", built], { cwd: sources });
    assert.deepEqual(await filesOf(shipped), await filesOf(built), "Build it again: npm --prefix samples/LocalHomeserver/Page run build");
    for (const file of await filesOf(built)) {
      const [one, other] = await Promise.all([readFile(join(shipped, file)), readFile(join(built, file))]);
      assert.ok(one.equals(other), `${file} differs.`);
    }
  } finally {
    await rm(built, { recursive: true });
  }
});

test("Nothing in it names a place that its build was made at, or a map of its sources", async () => {
  for (const file of await filesOf(shipped)) {
    const text = await readFile(join(shipped, file), "latin1");
    assert.ok(!text.includes(sources) && !text.includes("sourceMappingURL"), file);
  }
});

async function filesOf(folder) {
  return (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
    .sort();
}
