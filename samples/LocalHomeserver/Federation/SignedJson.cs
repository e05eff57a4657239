using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>Signatures in JSON objects (specification, appendices, "Signing JSON").</summary>
public static class SignedJson
{
    // No signature covers these keys.
    private static ReadOnlySpan<string> NotSigned => new[] { "signatures", "unsigned" };

    /// <summary>What is signed of an object.</summary>
    /// <exception cref="CanonicalJsonException">The object has no canonical form.</exception>
    public static byte[] Encode(JsonElement value) => CanonicalJson.Encode(value, NotSigned);

    /// <summary>Adds a signature to an object; those of others stay.</summary>
    /// <exception cref="CanonicalJsonException">The object has no canonical form.</exception>
    public static void Sign(JsonObject value, string entity, SigningKey key)
    {
        var signature = key.Sign(CanonicalJson.Encode(Encoding.UTF8.GetBytes(value.ToJsonString()), NotSigned));
        if (value["signatures"] is not JsonObject signatures) value["signatures"] = signatures = [];
        if (signatures[entity] is not JsonObject ofEntity) signatures[entity] = ofEntity = [];
        ofEntity[key.KeyId] = signature;
    }

    /// <summary>Whether an object has an entity's signature with a key, and the signature is right.</summary>
    public static bool IsSigned(JsonElement value, string entity, string keyId, ReadOnlySpan<byte> publicKey)
    {
        try
        {
            return value.ValueKind == JsonValueKind.Object
                && Member(Member(Member(value, "signatures"), entity), keyId) is { ValueKind: JsonValueKind.String } text
                && UnpaddedBase64.Decode(text.GetString()!) is { } signature
                && Ed25519.Verify(publicKey, CanonicalJson.EncodeAsWritten(value, NotSigned), signature);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    private static JsonElement? Member(JsonElement? value, string name) =>
        value is { ValueKind: JsonValueKind.Object } && value.Value.TryGetProperty(name, out var member) ? member : null;
}
