using System.Text.Json;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>What a device uploads, checked. Keys are canonical JSON: they are there to be signed, and compare as bytes.</summary>
/// <param name="DeviceKeys">Its identity keys.</param>
/// <param name="OneTimeKeys">Keys of which each is given to one other device.</param>
/// <param name="FallbackKeys">Keys for when there are none of those left, one for each algorithm.</param>
internal sealed record KeyUpload(byte[]? DeviceKeys, IReadOnlyList<NamedKey> OneTimeKeys, IReadOnlyList<NamedKey> FallbackKeys)
{
    // Both and the device they belong to fit into an index.
    private const int MaxNameLength = 255;

    /// <summary>The most keys that a device may have to give away, and the most in one upload: clients have a hundred.</summary>
    public const int MaxKeys = 1000;

    public static KeyUpload Read(KeyUploadRequest request, DeviceAddress device) => new(
        request.DeviceKeys is { } keys ? ReadDeviceKeys(keys, device) : null,
        ReadKeys(request.OneTimeKeys, "one_time_keys"),
        ReadKeys(request.FallbackKeys, "fallback_keys"));

    /// <summary>Identity keys, as they are kept.</summary>
    /// <exception cref="ToDeviceErrorException">They are not this device's, or not of the form of keys.</exception>
    public static byte[] ReadDeviceKeys(JsonElement keys, DeviceAddress device)
    {
        var canonical = KeyJson.Canonical(keys);
        if (KeyJson.Text(keys, "user_id") != device.UserId) throw Errors.InvalidParam("device_keys.user_id", "your user ID");
        if (KeyJson.Text(keys, "device_id") != device.DeviceId) throw Errors.InvalidParam("device_keys.device_id", "your device ID");
        if (!KeyJson.IsListOfTexts(keys, "algorithms") || !KeyJson.IsMapOfTexts(keys, "keys") || !KeyJson.HasSignatures(keys))
            throw Errors.BadJson("'device_keys' must have algorithms, keys and signatures");
        return canonical;
    }

    /// <summary>One-time or fallback keys by their names.</summary>
    /// <exception cref="ToDeviceErrorException">One of them is not of the form of a key.</exception>
    public static List<NamedKey> ReadKeys(Dictionary<string, JsonElement>? keys, string parameter)
    {
        if (keys?.Count > MaxKeys) throw Errors.InvalidParam(parameter, $"at most {MaxKeys} keys");
        var read = new List<NamedKey>();
        foreach (var (name, key) in keys ?? [])
        {
            if (name.Split(':') is not [{ Length: > 0 and <= MaxNameLength } algorithm, { Length: > 0 and <= MaxNameLength } keyId])
                throw Errors.InvalidParam(parameter, "named <algorithm>:<key_id>, neither longer than 255 characters");
            if (KeyJson.KeyOf(key) is null)
                throw Errors.BadJson($"Each of '{parameter}' must be a key, or an object with one");
            read.Add(new NamedKey(algorithm, keyId, KeyJson.Canonical(key)));
        }

        return read;
    }
}

/// <summary>A key as it is uploaded and claimed: <c>"algorithm:key_id": key</c>.</summary>
internal sealed record NamedKey(string Algorithm, string KeyId, byte[] Key)
{
    public string Name => $"{Algorithm}:{KeyId}";
}

internal sealed record KeyUploadRequest(
    JsonElement? DeviceKeys, Dictionary<string, JsonElement>? OneTimeKeys, Dictionary<string, JsonElement>? FallbackKeys);
