using System.Text.Json.Nodes;

namespace LocalHomeserver.Tests;

/// <summary>A user's dehydrated device, as a client of the user handles it.</summary>
internal sealed class TestDehydration(Homeserver server, TestDevice user)
{
    public const string Path = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device";

    /// <summary>A body whose identity keys are those that are given; a signature nobody checks.</summary>
    public JsonObject Body(string deviceId, string data = "pickle", string key = "KEY") => new()
    {
        ["device_id"] = deviceId,
        ["device_data"] = new JsonObject { ["algorithm"] = "org.matrix.msc3814.v1.olm", ["device_pickle"] = data },
        ["initial_device_display_name"] = "Dehydrated device",
        ["device_keys"] = new JsonObject
        {
            ["user_id"] = user.UserId,
            ["device_id"] = deviceId,
            ["algorithms"] = new JsonArray("m.olm.v1.curve25519-aes-sha2"),
            ["keys"] = new JsonObject { [$"ed25519:{deviceId}"] = key, [$"curve25519:{deviceId}"] = key },
            ["signatures"] = new JsonObject { [user.UserId] = new JsonObject { [$"ed25519:{deviceId}"] = "SIGNATURE" } },
            ["dehydrated"] = true,
        },
        ["one_time_keys"] = new JsonObject { [$"{TestKeys.Algorithm}:O"] = new JsonObject { ["key"] = $"{key}-one-time" } },
        ["fallback_keys"] = new JsonObject { [$"{TestKeys.Algorithm}:F"] = new JsonObject { ["key"] = $"{key}-fallback", ["fallback"] = true } },
    };

    public Task<Reply> PutAsync(string deviceId, string data = "pickle", string key = "KEY") => PutBodyAsync(Body(deviceId, data, key));

    public Task<Reply> PutBodyAsync(object body) => server.SendAsync("PUT", Path, body is JsonNode json ? json.ToJsonString() : body, user.Token);

    public Task<Reply> GetAsync() => server.SendAsync("GET", Path, token: user.Token);

    public Task<Reply> DeleteAsync() => server.SendAsync("DELETE", Path, token: user.Token);

    public Task<Reply> EventsAsync(string deviceId) =>
        server.SendAsync("GET", $"{Path}/{Uri.EscapeDataString(deviceId)}/events", token: user.Token);

    /// <summary>The texts of the messages that wait for it.</summary>
    public async Task<string[]> TextsAsync(string deviceId) =>
        [.. (await EventsAsync(deviceId)).Ok().GetProperty("events").EnumerateArray().Select(message => message.GetProperty("content").String("text"))];
}
