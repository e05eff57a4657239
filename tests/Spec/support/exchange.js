// One request, and what came back: in the form in which the specification is held against it.
import http from "node:http";
import { once } from "node:events";
import { buffer } from "node:stream/consumers";

export async function exchange(url, method, path, { token, authorization, body } = {}) {
  const requestBody = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const headers = requestBody === undefined ? {} : { "content-length": Buffer.byteLength(requestBody) };
  if (token) headers.authorization = `Bearer ${token}`;
  if (authorization) headers.authorization = authorization;

  // What the server does not want, it says before it has got it, and closes the connection.
  const isLarge = requestBody?.length > 1_000_000;
  if (isLarge) headers.expect = "100-continue";
  const request = http.request(url, { method, path, headers, agent: false });
  if (isLarge) request.once("continue", () => request.end(requestBody));
  else request.end(requestBody);
  const [answer] = await once(request, "response");
  const result = seen({ method, path, body: requestBody }, { status: answer.statusCode, headers: answer.headers, body: await buffer(answer) });
  request.destroy();
  return { ...result, json: parse(result.body) };
}

// What a proxy has seen (see the clients' network.js).
export const seen = ({ method, path, body: requestBody }, { status, headers, body }) => ({ method, path, requestBody, status, headers, body });

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
