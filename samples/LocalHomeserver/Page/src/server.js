// What the page asks the server itself, as no Matrix client would.
export async function serverFacts() {
  return json(await fetch("/_trial/server", { cache: "no-store" }));
}

export async function readInbox(accessToken) {
  return json(await fetch("/_trial/inbox", { headers: { Authorization: `Bearer ${accessToken}` }, cache: "no-store" }));
}

// Resolves when the server is back.
export async function restartServer(accessToken) {
  const before = await serverFacts();
  await json(await fetch("/_trial/restart", { method: "POST", headers: { Authorization: `Bearer ${accessToken}` } }));
  while (true) {
    const now = await serverFacts().catch(() => before);
    if (now.started_ts !== before.started_ts) return now;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function json(response) {
  const body = await response.json();
  if (!response.ok) throw Object.assign(new Error(body.error), { errcode: body.errcode });
  return body;
}
