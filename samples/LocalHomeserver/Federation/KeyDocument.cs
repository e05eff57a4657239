using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LocalHomeserver;

/// <summary>What a server says about its keys at <c>GET /_matrix/key/v2/server</c>.</summary>
/// <param name="Keys">The public keys that sign its requests, by their identifiers.</param>
/// <param name="ValidUntil">When the document has to be fetched anew.</param>
internal sealed record KeyDocument(IReadOnlyDictionary<string, byte[]> Keys, DateTimeOffset ValidUntil)
{
    private static readonly TimeSpan s_ownLifetime = TimeSpan.FromDays(1);

    // "Servers MUST use the lesser of this field and 7 days into the future."
    private static readonly TimeSpan s_longestLifetime = TimeSpan.FromDays(7);

    // For hundreds of keys; servers have one or two.
    private const int MaxBytes = 64 * 1024;

    /// <summary>This server's document, signed.</summary>
    public static JsonObject Of(string serverName, SigningKey key, TimeProvider clock)
    {
        var document = new JsonObject
        {
            ["server_name"] = serverName,
            ["valid_until_ts"] = (clock.GetUtcNow() + s_ownLifetime).ToUnixTimeMilliseconds(),
            ["verify_keys"] = new JsonObject { [key.KeyId] = new JsonObject { ["key"] = key.PublicKey() } },
            ["old_verify_keys"] = new JsonObject(),
        };
        SignedJson.Sign(document, serverName, key);
        return document;
    }

    /// <summary>Reads a peer's document; null when it is not that peer's, not signed by it, or not valid any more.</summary>
    public static KeyDocument? Read(JsonElement json, string serverName, TimeProvider clock)
    {
        // Signatures are verified over all of it, for each of its keys.
        if (JsonMarshal.GetRawUtf8Value(json).Length > MaxBytes) return null;

        var members = PeerJson.Members(json);
        if (PeerJson.Text(members.GetValueOrDefault("server_name")) != serverName
            || members.GetValueOrDefault("valid_until_ts") is not { ValueKind: JsonValueKind.Number } number || !number.TryGetInt64(out var said))
        {
            return null;
        }

        var now = clock.GetUtcNow();
        var validUntil = Math.Min(said, (now + s_longestLifetime).ToUnixTimeMilliseconds());
        if (validUntil <= now.ToUnixTimeMilliseconds()) return null;

        // Only a key that has signed the document is one that the server has.
        var keys = new Dictionary<string, byte[]>();
        foreach (var (keyId, member) in PeerJson.Members(members.GetValueOrDefault("verify_keys")))
        {
            if (keyId.StartsWith(SigningKey.Algorithm, StringComparison.Ordinal)
                && PeerJson.Text(PeerJson.Members(member).GetValueOrDefault("key")) is { } text
                && UnpaddedBase64.Decode(text) is { Length: Ed25519.KeyLength } key
                && SignedJson.IsSigned(json, serverName, keyId, key))
            {
                keys[keyId] = key;
            }
        }

        return keys.Count == 0 ? null : new KeyDocument(keys, DateTimeOffset.FromUnixTimeMilliseconds(validUntil));
    }
}
