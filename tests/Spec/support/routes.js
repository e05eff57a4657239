// The routes of the homeserver, which a test of the homeserver's keeps true, and the specification's endpoints among them.
import { readFileSync } from "node:fs";

export const routes = readFileSync(new URL("../routes.txt", import.meta.url), "utf8").trimEnd().split("\n").map((line) => {
  const [method, path] = line.split(" ");
  return { name: line, method, path };
});

// Endpoints have one version each: r0 and unstable are what v3 was called before, and servers asked for one key by its name.
const formerNames = [
  [/^\/_matrix\/client\/r0\//, "/_matrix/client/v3/"],
  [/^\/_matrix\/client\/unstable\/sendToDevice\//, "/_matrix/client/v3/sendToDevice/"],
  [/^\/_matrix\/key\/v2\/server\/.+/, "/_matrix/key/v2/server"],
];

export const officialPath = (path) => formerNames.reduce((now, [former, name]) => now.replace(former, name), path);

// Proposals that are not in the specification yet have paths of their own, and no definitions.
export const isUnstable = ({ path }) => /^\/_matrix\/\w+\/unstable\//.test(officialPath(path));

// Whatever the variables are called.
export const shapeOf = (path) => officialPath(path).replace(/\{[^}]+\}/g, "{}");
