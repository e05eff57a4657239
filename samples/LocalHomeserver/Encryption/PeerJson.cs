using System.Text.Json;
using System.Text.Json.Nodes;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>
/// What other servers say about their users, which may be anything: it is checked as uploads are, and what is not as it has to be
/// is not there.
/// </summary>
internal static class PeerJson
{
    /// <summary>
    /// The members of an object; none of something else. A member whose name cannot be read is not there, and neither is one that is
    /// there twice: readers differ in which of the two they take.
    /// </summary>
    public static Dictionary<string, JsonElement> Members(JsonElement? json)
    {
        var members = new Dictionary<string, JsonElement>();
        var twice = new List<string>();
        if (json is not { ValueKind: JsonValueKind.Object } value) return members;
        foreach (var member in value.EnumerateObject().Where(JsonText.HasName))
        {
            if (!members.TryAdd(member.Name, member.Value)) twice.Add(member.Name);
        }

        foreach (var name in twice) members.Remove(name);
        return members;
    }

    /// <summary>A text; null when it is none.</summary>
    public static string? Text(JsonElement? json) =>
        json is { ValueKind: JsonValueKind.String } text && JsonText.IsGood(text) ? text.GetString() : null;

    /// <summary>The identity keys of a user's device, with what is unsigned in the form that clients know; null when they are none.</summary>
    public static JsonObject? DeviceKeys(JsonElement keys, DeviceAddress device)
    {
        if (!Identifiers.IsDeviceId(device.DeviceId) || Checked(keys, json => KeyUpload.ReadDeviceKeys(json, device)) is not { } good) return null;
        var json = Object(good);
        KeyJson.SetDisplayName(json, KeyJson.Member(keys, "unsigned") is { } unsigned ? KeyJson.Text(unsigned, "device_display_name") : null);
        return json;
    }

    /// <summary>A user's master key and the self-signing key that it has signed; null what is missing or not as it has to be.</summary>
    public static (CrossSigningKey? Master, CrossSigningKey? SelfSigning) CrossSigningKeys(
        JsonElement? master, JsonElement? selfSigning, string userId)
    {
        var masterKey = Read(master, CrossSigningKey.Master);
        var selfSigningKey = masterKey is null ? null : Read(selfSigning, CrossSigningKey.SelfSigning);
        return (masterKey, selfSigningKey?.IsSignedBy(masterKey!, userId) == true ? selfSigningKey : null);

        CrossSigningKey? Read(JsonElement? key, string usage) =>
            key is { } json ? Checked(json, checkedJson => CrossSigningKey.Read(checkedJson, usage, userId)) : null;
    }

    /// <summary>The one-time key of an algorithm among what a device's server gives away; null when there is none.</summary>
    public static NamedKey? OneTimeKey(JsonElement keys, string algorithm) =>
        Checked(keys, json => KeyUpload.ReadKeys(Members(json), "one_time_keys"))?.Find(key => key.Algorithm == algorithm);

    /// <summary>A key in canonical form, to add to.</summary>
    public static JsonObject Object(byte[] canonical) => JsonNode.Parse(canonical)!.AsObject();

    private static T? Checked<T>(JsonElement json, Func<JsonElement, T?> read) where T : class
    {
        if (json.ValueKind != JsonValueKind.Object || !KeyJson.IsGood(json)) return null;
        try
        {
            return read(json);
        }
        catch (ToDeviceErrorException)
        {
            return null;
        }
    }
}
