// The sample homeserver as a process of its own, on a free port, with a folder of its own for its SQLite files. Or, with
// HOMESERVER_STORE=postgresql, with a new database on the server that PGHOST, PGPORT, PGUSER and PGPASSWORD name.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const startsWithin = 60_000;
const dll = process.env.HOMESERVER_DLL
  ?? fileURLToPath(new URL("../../../samples/LocalHomeserver/bin/Debug/net10.0/LocalHomeserver.dll", import.meta.url));

const serverName = "hs1.localhost";

export async function startHomeserver(settings = {}) {
  if (!existsSync(dll)) throw new Error(`${dll} is missing: build the solution, or name the file in HOMESERVER_DLL.`);
  const data = await mkdtemp(join(tmpdir(), "todevice-clients-"));
  const all = { urls: "http://127.0.0.1:0", ServerName: serverName, Data: data, ...await database(), ...settings };
  const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]);
  const server = spawn("dotnet", [dll, ...args], { cwd: dirname(dll), stdio: ["ignore", "pipe", "pipe"] });
  const kill = () => server.kill("SIGKILL");
  process.once("exit", kill);
  const exited = once(server, "exit");

  try {
    const url = await listening(server);
    const health = await fetch(`${url}/health`);
    if (health.status !== 200) throw new Error(`GET /health answered ${health.status}.`);
    return { url, serverName: all.ServerName, stop };
  } catch (error) {
    kill();
    throw error;
  }

  async function stop() {
    server.kill("SIGTERM");
    await exited;
    process.off("exit", kill);
    await rm(data, { recursive: true });
  }
}

// Two servers that know each other. way: what stands between them, given the URL of one and giving that for the other.
export async function startPeers(way = async (url) => url) {
  const [one, other] = ["hs1.localhost", "hs2.localhost"];
  const url = `http://127.0.0.1:${await freePort()}`;
  const first = await startHomeserver({ ServerName: one, [`Federation:Peers:${other}`]: await way(url) });
  try {
    return [first, await startHomeserver({ ServerName: other, urls: url, [`Federation:Peers:${one}`]: await way(first.url) })];
  } catch (error) {
    await first.stop();
    throw error;
  }
}

async function freePort() {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address();
  await once(server.close(), "close");
  return port;
}

let databases = 0;
async function database() {
  if (process.env.HOMESERVER_STORE !== "postgresql") return {};
  const name = `clients_${process.pid}_${++databases}`;
  await promisify(execFile)("createdb", [name]);
  const { PGHOST, PGPORT, PGUSER, PGPASSWORD = "" } = process.env;
  const address = `Host=${PGHOST};Port=${PGPORT};Username=${PGUSER};Password=${PGPASSWORD};Database=${name}`;
  return { "Store": "postgresql", "ConnectionStrings:PostgreSql": address };
}

function listening(server) {
  let output = "";
  return new Promise((resolve, reject) => {
    const fail = (what) => reject(new Error(`The homeserver ${what}. It said:\n${output}`));
    const deadline = setTimeout(fail, startsWithin, "did not start in time");
    server.once("error", (error) => fail(`could not be started: ${error.message}`));
    server.once("exit", (code) => fail(`ended with code ${code}`));
    for (const stream of [server.stdout, server.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        output = (output + text).slice(-10_000);
        const address = /http:\/\/127\.0\.0\.1:[1-9]\d*/.exec(output);
        if (!address) return;
        clearTimeout(deadline);
        resolve(address[0]);
      });
    }
  });
}
