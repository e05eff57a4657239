using System.Text.Json;

namespace LocalHomeserver.Tests;

/// <summary>The two paths of a sliding sync, and what the extensions are called there (R126).</summary>
internal sealed record SlidingPath(string Path, string ToDevice, string Keys)
{
    public static readonly SlidingPath Experimental = new("/_matrix/client/unstable/org.matrix.simplified_msc3575/sync", "to_device", "e2ee");
    public static readonly SlidingPath Accepted = new("/_matrix/client/v4/sync", "org.matrix.msc4538.to_device", "org.matrix.msc4543.e2ee");

    public static IEnumerable<SlidingPath> Both => [Experimental, Accepted];

    public override string ToString() => Path.Contains("unstable", StringComparison.Ordinal) ? "experimental" : "v4";
}

/// <summary>One connection of a device's sliding sync, with what its client remembers: <c>pos</c> and the token of its messages.</summary>
internal sealed class SlidingClient(Homeserver server, TestDevice device, SlidingPath path, string? connId = null)
{
    public string? Pos { get; set; }

    public string? Since { get; set; }

    public bool WantsMessages { get; set; } = true;

    public bool WantsKeys { get; set; } = true;

    /// <summary>Asks; what comes is processed, as a client does it.</summary>
    public async Task<SlidingReply> SyncAsync(int timeout = 0, int limit = 100) => Process(await AskAsync(timeout, limit));

    /// <summary>Asks, and loses the answer.</summary>
    public async Task<SlidingReply> AskAsync(int timeout = 0, int limit = 100) => new((await TryAsync(timeout, limit)).Ok(), path);

    public Task<Reply> TryAsync(int timeout = 0, int limit = 100)
    {
        var extensions = new Dictionary<string, object>
        {
            [path.ToDevice] = Since is null ? new { enabled = WantsMessages, limit } : new { enabled = WantsMessages, limit, since = Since },
            [path.Keys] = new { enabled = WantsKeys },
        };
        var body = new Dictionary<string, object> { ["lists"] = new { all = new { ranges = new[] { new[] { 0, 20 } } } }, ["extensions"] = extensions };
        if (connId is not null) body["conn_id"] = connId;
        var query = "";
        if (path == SlidingPath.Experimental)
        {
            query = $"?timeout={timeout}" + (Pos is null ? "" : $"&pos={Uri.EscapeDataString(Pos)}");
        }
        else
        {
            body["timeout"] = timeout;
            if (Pos is not null) body["pos"] = Pos;
        }

        return server.SendAsync("POST", path.Path + query, body, device.Token);
    }

    public SlidingReply Process(SlidingReply reply)
    {
        Pos = reply.Pos;
        Since = reply.NextBatch ?? Since;
        return reply;
    }
}

/// <summary>A response of a sliding sync.</summary>
internal sealed class SlidingReply(JsonElement body, SlidingPath path)
{
    public JsonElement Body => body;

    public string Pos => body.String("pos");

    public JsonElement? ToDevice => Section(path.ToDevice);

    public JsonElement? Keys => Section(path.Keys);

    public string? NextBatch => ToDevice?.String("next_batch");

    public string[] Texts =>
        ToDevice is not { } section ? [] : [.. section.GetProperty("events").EnumerateArray().Select(message => message.GetProperty("content").String("text"))];

    public string[] Changed => [.. Keys!.Value.GetProperty("device_lists").GetProperty("changed").EnumerateArray().Select(user => user.GetString()!)];

    public long Count => Keys!.Value.GetProperty("device_one_time_keys_count").GetProperty(TestKeys.Algorithm).GetInt64();

    private JsonElement? Section(string name) => body.GetProperty("extensions").TryGetProperty(name, out var section) ? section : null;
}
