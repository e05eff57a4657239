using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>Reads keys, and the signatures in them. Of JSON that <see cref="JsonText"/> has looked at.</summary>
internal static class KeyJson
{
    // Keys have four levels; and what is around them in an answer has to fit too.
    private const int MaxDepth = 32;

    // As much as an EDU may have: it is told to other servers.
    private const int MaxBytes = 65_536;

    /// <summary>Whether it can be read, and is not nested deeper than any key.</summary>
    public static bool IsGood(JsonElement json) => JsonText.IsGood(json, MaxDepth);

    /// <summary>A member that is a text; null when there is none.</summary>
    public static string? Text(JsonElement json, string name) =>
        Member(json, name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    public static bool IsListOfTexts(JsonElement json, string name) =>
        Member(json, name) is { ValueKind: JsonValueKind.Array } list && list.EnumerateArray().All(IsText);

    public static bool IsMapOfTexts(JsonElement json, string name) =>
        Member(json, name) is { } map && IsMapOfTexts(map);

    public static bool HasSignatures(JsonElement json) =>
        Member(json, "signatures") is { ValueKind: JsonValueKind.Object } signatures
        && signatures.EnumerateObject().All(member => IsMapOfTexts(member.Value));

    /// <summary>The keys that have signed for a user, and their signatures.</summary>
    public static Dictionary<string, string> SignaturesOf(JsonElement json, string userId)
    {
        var signatures = new Dictionary<string, string>();
        if (Member(json, "signatures") is not { } all || Member(all, userId) is not { ValueKind: JsonValueKind.Object } ofUser)
            return signatures;
        foreach (var member in ofUser.EnumerateObject()) signatures[member.Name] = IsText(member.Value) ? member.Value.GetString()! : "";
        return signatures;
    }

    /// <summary>The form in which keys are kept.</summary>
    public static byte[] Canonical(JsonElement json)
    {
        if (JsonMarshal.GetRawUtf8Value(json).Length > MaxBytes) throw Errors.New(413, "M_TOO_LARGE", $"A key has {MaxBytes} bytes at most");
        if (!IsGood(json)) throw Errors.BadJson("A key is nested too deep");
        try
        {
            return CanonicalJson.Encode(json);
        }
        catch (CanonicalJsonException e)
        {
            throw Errors.BadJson($"A key cannot be signed: {e.Message}");
        }
    }

    /// <summary>Whether two objects are the same, apart from who has signed them.</summary>
    public static bool SameButSignatures(JsonElement one, JsonElement other)
    {
        try
        {
            return SignedJson.Encode(one).AsSpan().SequenceEqual(SignedJson.Encode(other));
        }
        catch (CanonicalJsonException)
        {
            return false;
        }
    }

    /// <summary>Whether two objects are the same for everybody but their own user, who alone may have something <c>unsigned</c>.</summary>
    public static bool IsSame(byte[] one, byte[] other) =>
        SameButSignatures(JsonElement.Parse(one), JsonElement.Parse(other)) && SameMember(one, other, "signatures");

    /// <summary>Whether two one-time or fallback keys are the same key: in which form and by whom signed is another matter.</summary>
    public static bool IsSameKey(byte[] one, byte[] other) => KeyOf(JsonElement.Parse(one)) == KeyOf(JsonElement.Parse(other));

    /// <summary>The key of a one-time or fallback key, which is a text or an object with one; null when it is neither.</summary>
    public static string? KeyOf(JsonElement json) => json.ValueKind == JsonValueKind.String ? json.GetString() : Text(json, "key");

    /// <summary>Whether two objects in canonical form have the same member.</summary>
    public static bool SameMember(byte[] one, byte[] other, string name) =>
        JsonElement.Parse(one).TryGetProperty(name, out var member) && JsonElement.Parse(other).TryGetProperty(name, out var otherMember)
        && JsonElement.DeepEquals(member, otherMember);

    /// <summary>Says what its user calls a device.</summary>
    public static void SetDisplayName(JsonObject device, string? name) =>
        device["unsigned"] = name is { Length: > 0 } ? new JsonObject { ["device_display_name"] = name } : [];

    /// <summary>Adds a signature to an object, which may have others.</summary>
    public static void AddSignature(JsonObject json, string userId, string keyId, string signature)
    {
        if (json["signatures"] is not JsonObject signatures) json["signatures"] = signatures = [];
        if (signatures[userId] is not JsonObject ofUser) signatures[userId] = ofUser = [];
        ofUser[keyId] = signature;
    }

    public static JsonElement? Member(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var member) ? member : null;

    private static bool IsMapOfTexts(JsonElement json) =>
        json.ValueKind == JsonValueKind.Object && json.EnumerateObject().All(member => IsText(member.Value));

    private static bool IsText(JsonElement json) => json.ValueKind == JsonValueKind.String;
}
