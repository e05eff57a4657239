// Builds the page into ../wwwroot, or into the folder that is named: the same bytes from the same lock file, on any machine.
import { readFile, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { licences } from "./licences.js";

const here = fileURLToPath(new URL(".", import.meta.url));
const output = process.argv[2] ?? join(here, "../wwwroot");
const page = { main: "src/main.js", style: "src/page.css", icon: "src/icon.svg" };

await rm(output, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: Object.values(page),
  outdir: join(output, "assets"),
  // Named by their contents: browsers may keep them for ever.
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none", // their texts are in licences.txt
  loader: { ".wasm": "file", ".svg": "copy" },
  metafile: true,
  logLevel: "warning",
});

const names = Object.fromEntries(Object.entries(metafile.outputs).map(([file, { entryPoint, inputs }]) =>
  [entryPoint ?? Object.keys(inputs)[0], relative(output, join(here, file))]));
const index = (await readFile(join(here, "src/index.html"), "utf8"))
  .replace("%script%", names[page.main]).replace("%style%", names[page.style]).replace("%icon%", names[page.icon]);
await writeFile(join(output, "index.html"), index);
await writeFile(join(output, "licences.txt"), await licences(here, Object.keys(metafile.inputs)));
