using System.Text.Json.Nodes;

namespace LocalHomeserver.Tests;

/// <summary>Keys as a client makes them, with signatures that are right.</summary>
internal static class TestKeys
{
    public const string Algorithm = "signed_curve25519";

    /// <summary>The identity keys of a device.</summary>
    public static JsonObject DeviceKeys(TestDevice device, SigningKey key)
    {
        var keys = new JsonObject
        {
            ["user_id"] = device.UserId,
            ["device_id"] = device.DeviceId,
            ["algorithms"] = new JsonArray("m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"),
            ["keys"] = new JsonObject
            {
                [$"ed25519:{device.DeviceId}"] = key.PublicKey(),
                [$"curve25519:{device.DeviceId}"] = "3C5BFWi2Y8MaVvjM8M22DBmh24PmgR0nPvJOIArzgyI",
            },
        };
        SignedJson.Sign(keys, device.UserId, key);
        return keys;
    }

    /// <summary>The key with which a device signs: a signature names the device.</summary>
    public static SigningKey NewKey(TestDevice device) => SigningKey.New() with { KeyId = $"ed25519:{device.DeviceId}" };

    /// <summary>A key whose name is the key itself, as those for cross-signing are.</summary>
    public static SigningKey NewKey()
    {
        var key = SigningKey.New();
        return key with { KeyId = $"ed25519:{key.PublicKey()}" };
    }

    /// <summary>A one-time key, or with <paramref name="isFallback"/> a fallback key.</summary>
    public static JsonObject OneTimeKey(TestDevice device, string value, bool isFallback = false)
    {
        var key = new JsonObject { ["key"] = value };
        if (isFallback) key["fallback"] = true;
        SignedJson.Sign(key, device.UserId, NewKey(device));
        return key;
    }

    /// <summary>A key for cross-signing, signed by the master key if that is another one.</summary>
    public static JsonObject CrossSigningKey(string userId, string usage, SigningKey key, SigningKey? master = null)
    {
        var json = new JsonObject
        {
            ["user_id"] = userId,
            ["usage"] = new JsonArray(usage),
            ["keys"] = new JsonObject { [key.KeyId] = key.PublicKey() },
        };
        if (master is not null) SignedJson.Sign(json, userId, master);
        return json;
    }

    /// <summary>The same object with one signature only, as clients upload signatures.</summary>
    public static JsonObject SignAnew(JsonObject json, string userId, SigningKey key)
    {
        var signed = json.DeepClone().AsObject();
        signed.Remove("signatures");
        signed.Remove("unsigned");
        SignedJson.Sign(signed, userId, key);
        return signed;
    }
}

/// <summary>A user's three cross-signing keys.</summary>
internal sealed record TestIdentity(string UserId, SigningKey Master, SigningKey SelfSigning, SigningKey UserSigning)
{
    public JsonObject MasterKey => TestKeys.CrossSigningKey(UserId, "master", Master);

    public static TestIdentity Of(TestDevice device) =>
        new(device.UserId, TestKeys.NewKey(), TestKeys.NewKey(), TestKeys.NewKey());

    /// <summary>The body of an upload.</summary>
    public JsonObject Upload(object? auth = null)
    {
        var body = new JsonObject
        {
            ["master_key"] = MasterKey,
            ["self_signing_key"] = TestKeys.CrossSigningKey(UserId, "self_signing", SelfSigning, Master),
            ["user_signing_key"] = TestKeys.CrossSigningKey(UserId, "user_signing", UserSigning, Master),
        };
        if (auth is not null) body["auth"] = System.Text.Json.JsonSerializer.SerializeToNode(auth);
        return body;
    }
}

internal static class KeyCalls
{
    public static Task<Reply> TryUploadAsync(
        this TestDevice device, JsonObject? deviceKeys = null, JsonObject? oneTimeKeys = null, JsonObject? fallbackKeys = null)
    {
        var body = new JsonObject();
        if (deviceKeys is not null) body["device_keys"] = deviceKeys.DeepClone();
        if (oneTimeKeys is not null) body["one_time_keys"] = oneTimeKeys.DeepClone();
        if (fallbackKeys is not null) body["fallback_keys"] = fallbackKeys.DeepClone();
        return device.CallAsync("POST", "/keys/upload", body);
    }

    /// <summary>Uploads identity keys and returns what they are signed with.</summary>
    public static async Task<SigningKey> UploadIdentityAsync(this TestDevice device)
    {
        var key = TestKeys.NewKey(device);
        (await device.TryUploadAsync(TestKeys.DeviceKeys(device, key))).Ok();
        return key;
    }

    /// <summary>Uploads one-time keys with these IDs, whose value is the ID.</summary>
    public static async Task UploadOneTimeKeysAsync(this TestDevice device, params IEnumerable<string> keyIds)
    {
        var keys = new JsonObject();
        foreach (var keyId in keyIds) keys[$"{TestKeys.Algorithm}:{keyId}"] = TestKeys.OneTimeKey(device, keyId);
        (await device.TryUploadAsync(oneTimeKeys: keys)).Ok();
    }

    public static async Task UploadFallbackKeyAsync(this TestDevice device, string keyId)
    {
        var keys = new JsonObject { [$"{TestKeys.Algorithm}:{keyId}"] = TestKeys.OneTimeKey(device, keyId, isFallback: true) };
        (await device.TryUploadAsync(fallbackKeys: keys)).Ok();
    }

    public static async Task<TestIdentity> UploadCrossSigningAsync(this TestDevice device)
    {
        var identity = TestIdentity.Of(device);
        (await device.CallAsync("POST", "/keys/device_signing/upload", identity.Upload())).Ok();
        return identity;
    }

    /// <summary>Asks for all keys of these users.</summary>
    public static async Task<System.Text.Json.JsonElement> QueryAsync(this TestDevice device, params IEnumerable<string> userIds) =>
        (await device.CallAsync(
            "POST", "/keys/query", new { device_keys = userIds.ToDictionary(userId => userId, _ => Array.Empty<string>()) })).Ok();

    /// <summary>The ID of a key of a device, which nobody else gets; null when there is none.</summary>
    public static async Task<string?> ClaimAsync(this TestDevice device, string userId, string deviceId, string algorithm = TestKeys.Algorithm)
    {
        var reply = await device.CallAsync("POST", "/keys/claim", new
        {
            one_time_keys = new Dictionary<string, object> { [userId] = new Dictionary<string, string> { [deviceId] = algorithm } },
        });
        var users = reply.Ok().GetProperty("one_time_keys");
        return users.TryGetProperty(userId, out var devices) && devices.TryGetProperty(deviceId, out var keys)
            ? keys.EnumerateObject().Single().Name.Split(':')[1]
            : null;
    }

    public static Task<string?> ClaimAsync(this TestDevice device, TestDevice of) => device.ClaimAsync(of.UserId, of.DeviceId);

    public static Task<Reply> TrySignAsync(this TestDevice device, string userId, string target, JsonObject signed) => device.CallAsync(
        "POST", "/keys/signatures/upload", new JsonObject { [userId] = new JsonObject { [target] = signed.DeepClone() } });

    public static string[] Changed(this Sync sync) =>
        [.. sync.Body.GetProperty("device_lists").GetProperty("changed").EnumerateArray().Select(user => user.GetString()!)];

    public static long Count(this Sync sync) =>
        sync.Body.GetProperty("device_one_time_keys_count").GetProperty(TestKeys.Algorithm).GetInt64();

    public static string[] UnusedFallbackKeys(this Sync sync) =>
        [.. sync.Body.GetProperty("device_unused_fallback_key_types").EnumerateArray().Select(algorithm => algorithm.GetString()!)];
}
