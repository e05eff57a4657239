// Requests without an SDK, for what an SDK hides: the text of an answer, old paths, other people's tokens.
export function raw(homeserver, { accessToken }) {
  const headers = { authorization: `Bearer ${accessToken}` };
  return {
    async put(path, text) {
      return answer(await fetch(homeserver.url + path, { method: "PUT", headers, body: text }));
    },
    async sync(since) {
      const query = since === undefined ? "" : `&since=${encodeURIComponent(since)}`;
      return answer(await fetch(`${homeserver.url}/_matrix/client/v3/sync?timeout=0${query}`, { headers }));
    },
  };
}

export async function answer(response) {
  const text = await response.text();
  return { status: response.status, text, json: JSON.parse(text) };
}
