using System.Text.Json;
using System.Text.Json.Nodes;

namespace LocalHomeserver;

/// <summary>Signatures in JSON objects (specification, appendices, "Signing JSON").</summary>
public static class SignedJson
{
    /// <summary>Adds a signature to an object; those of others stay.</summary>
    /// <exception cref="CanonicalJsonException">The object has no canonical form.</exception>
    public static void Sign(JsonObject value, string entity, SigningKey key)
    {
        using var document = JsonDocument.Parse(value.ToJsonString());
        var signature = key.Sign(CanonicalJson.EncodeSigned(document.RootElement));
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
                && Ed25519.Verify(publicKey, CanonicalJson.EncodeSigned(value), signature);
        }
        catch (Exception e) when (e is CanonicalJsonException or InvalidOperationException)
        {
            return false;
        }
    }

    private static JsonElement? Member(JsonElement? value, string name) =>
        value is { ValueKind: JsonValueKind.Object } && value.Value.TryGetProperty(name, out var member) ? member : null;
}
