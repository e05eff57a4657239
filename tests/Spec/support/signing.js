// Signatures as servers and users make them: Ed25519 over canonical JSON.
import { generateKeyPairSync, sign as signBytes } from "node:crypto";

export function newKey(keyName) {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const text = unpadded(Buffer.from(publicKey.export({ format: "jwk" }).x, "base64url"));
  return { id: `ed25519:${keyName ?? text}`, publicKey: text, privateKey };
}

export const signatureOf = (json, { privateKey }) => unpadded(signBytes(null, Buffer.from(canonical(json)), privateKey));

export function signed(json, signer, ...keys) {
  const { signatures, unsigned, ...rest } = json;
  return { ...json, signatures: { [signer]: Object.fromEntries(keys.map((key) => [key.id, signatureOf(rest, key)])) } };
}

// What is signed here has no numbers but whole ones.
export function canonical(json) {
  if (Array.isArray(json)) return `[${json.map(canonical).join(",")}]`;
  if (json === null || typeof json !== "object") return JSON.stringify(json);
  return `{${Object.keys(json).sort().map((name) => `${JSON.stringify(name)}:${canonical(json[name])}`).join(",")}}`;
}

const unpadded = (bytes) => bytes.toString("base64").replace(/=+$/, "");
