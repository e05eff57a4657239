// The licences of the packages whose files are in the page.
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

export async function licences(folder, files) {
  const packages = new Set(files.map((file) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1]).filter(Boolean));
  const texts = await Promise.all([...packages].sort().map((name) => licence(join(folder, "node_modules", name))));
  return ["This page contains:\n", ...texts].join(`\n${"-".repeat(80)}\n\n`);
}

async function licence(folder) {
  const { name, version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file)).sort();
  if (files.length === 0) throw new Error(`${name} has no text of its licence.`);
  const texts = await Promise.all(files.map(async (file) => (await readFile(join(folder, file), "utf8")).replaceAll("\r\n", "\n")));
  return [`${name} ${version} (${license})\n`, ...texts].join("\n");
}
