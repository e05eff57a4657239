using System.Diagnostics.Metrics;
using System.Text.Json;

namespace LocalHomeserver.Tests;

/// <summary>
/// Whether everybody is still served: the recipient's devices get all that was accepted for them and each good message once, the
/// peer gets its good one, another user's keys are there, and the log is one that a person can read.
/// </summary>
internal sealed class FuzzCheck : IDisposable
{
    // Where others, or another server, see what was said.
    private static readonly (string? Caller, string Path)[] s_reads =
    [
        ("recipient", "/_trial/inbox"),
        ("renamer", "/_matrix/client/v3/devices"),
        (null, "/_matrix/federation/v1/user/devices/@fuzz-uploader:hs1.localhost"),
        (null, "/_matrix/federation/v1/user/devices/@fuzz-renamer:hs1.localhost"),
    ];

    private readonly FuzzServer _server;
    private readonly TimeSpan _limit;
    private readonly FuzzCounts _counts;
    private readonly MeterListener _listener = new();
    private readonly (string Caller, string? Since)[] _devices = [("recipient", null), ("recipient's laptop", null)];
    private long _accepted, _received, _number;

    /// <param name="server">The server.</param>
    /// <param name="counts">What is counted.</param>
    /// <param name="limit">How long a peer has to wait for its message.</param>
    public FuzzCheck(FuzzServer server, FuzzCounts counts, TimeSpan limit)
    {
        (_server, _counts, _limit) = (server, counts, limit);
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == "matrix.to_device.accepted" && instrument.Meter.Scope == server.Server.MeterScope) listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((_, messages, _, _) => Interlocked.Add(ref _accepted, messages));
        _listener.Start();
    }

    public void Dispose() => _listener.Dispose();

    /// <summary>What is wrong; null when nothing is.</summary>
    public async Task<string?> ProblemAsync()
    {
        try
        {
            _counts.Checks++;
            return await LookAsync();
        }
        catch (OperationCanceledException)
        {
            return _counts.Stall("a good request got no answer");
        }
        catch (TimeoutException)
        {
            return _counts.Stall("the good message for the peer did not arrive");
        }
        catch (Exception e) when (e is HttpRequestException or JsonException or InvalidOperationException or KeyNotFoundException)
        {
            return _counts.Stall($"{e.GetType().Name}: {e.Message}");
        }
    }

    /// <summary>At the end, the bad peer is good, and gets what was sent to it.</summary>
    public async Task<string?> BadPeerProblemAsync()
    {
        _server.Peer.IsBad = false;
        var sent = await SendAsync(FuzzPeer.Bad, "end");
        if (sent.Status != 200) return $"the good message for the bad peer: {sent}";
        try
        {
            await _server.Peer.ArrivalOf(FuzzPeer.Bad, "end").WaitAsync(_limit);
            return null;
        }
        catch (TimeoutException)
        {
            return _counts.Stall("the good message for the peer that was bad did not arrive");
        }
    }

    /// <summary>Whether the keys of a user of this server are in an answer.</summary>
    public static string? KeysProblem(FuzzAnswer answer)
    {
        if (answer.Status != 200) return $"{answer}";
        using var document = JsonDocument.Parse(answer.Body, new JsonDocumentOptions { MaxDepth = 10_000 });
        const string UserId = "@fuzz-other:hs1.localhost";
        return document.RootElement.GetProperty("device_keys").TryGetProperty(UserId, out var devices)
            && devices.TryGetProperty("OTHER", out var device)
            && device.GetProperty("keys").String("ed25519:OTHER") == (string?)FuzzKeys.OtherDevice["keys"]!["ed25519:OTHER"]
            && document.RootElement.GetProperty("master_keys").TryGetProperty(UserId, out var master)
            && master.GetProperty("keys").Has(FuzzKeys.Other.Master.KeyId)
                ? null
                : $"a local user's keys are not in it: {answer}";
    }

    private async Task<string?> LookAsync()
    {
        var text = $"good {++_number}";
        var sent = await SendAsync(FuzzPeer.Good, text);
        if (sent.Status != 200) return _counts.Stall($"the good message of a client: {sent}");
        var received = await _server.SendSignedAsync("PUT", $"/_matrix/federation/v1/send/good{_number}", Bytes(Transaction(text)), Canonical(Transaction(text)));
        if (received.Status != 200) return _counts.Stall($"the good message of a peer: {received}");

        foreach (var (caller, path) in s_reads)
        {
            var read = caller is null ? await _server.SendSignedAsync("GET", path, null, null) : await _server.SendAsync("GET", path, caller, (byte[]?)null);
            if (read.Problem(isBare: false, isMatrix: true) is not null || read.Status != 200) return $"GET {path}: {read}";
        }

        for (var i = 0; i < _devices.Length; i++)
            if (await SyncProblemAsync(i, [text, $"{text} of a peer"]) is { } problem) return _counts.Stall($"{_devices[i].Caller}: {problem}");
        if (_received != Interlocked.Read(ref _accepted)) return _counts.Stall($"{_accepted} messages were accepted, and {_received} have come");

        var keys = await _server.SendAsync("POST", "/_matrix/client/v3/keys/query", "other",
            """{"device_keys":{"@fuzz-other:hs1.localhost":[],"@fuzz-uploader:hs1.localhost":[],"@fuzz-signer:hs1.localhost":[],"@fuzz-renamer:hs1.localhost":[]}}""");
        if (KeysProblem(keys) is { } wrong) return $"keys/query: {wrong}";

        await _server.Peer.ArrivalOf(FuzzPeer.Good, text).WaitAsync(_limit);
        return _server.Peer.Problem ?? _server.Log.Problem;
    }

    private Task<FuzzAnswer> SendAsync(string peer, string text) => _server.SendAsync(
        "PUT", $"/_matrix/client/v3/sendToDevice/m.good/{Guid.NewGuid()}", "sender",
        $$$"""{"messages":{"@fuzz-recipient:hs1.localhost":{"*":{"text":"{{{text}}}"} },"@bob:{{{peer}}}":{"*":{"text":"{{{text}}}"} } } }""");

    private static JsonTree Transaction(string text) => JsonTree.Parse($$$"""
        {"origin":"hs2.localhost","origin_server_ts":1,"pdus":[],"edus":[{"edu_type":"m.direct_to_device","content":{
            "sender":"@mallory:hs2.localhost","type":"m.good","message_id":"{{{text}}}",
            "messages":{"@fuzz-recipient:hs1.localhost":{"*":{"text":"{{{text}}} of a peer"} } } } }]}
        """);

    private static byte[] Bytes(JsonTree json) => FuzzBody.Bytes(json, new Random(0));

    private static string Canonical(JsonTree json) => FuzzBody.Canonical(json);

    /// <summary>Takes and acknowledges all that there is for a device.</summary>
    private async Task<string?> SyncProblemAsync(int device, string[] expected)
    {
        var missing = expected.ToList();
        while (true)
        {
            var (caller, since) = _devices[device];
            var answer = await _server.SendAsync("GET", $"/_matrix/client/v3/sync{(since is null ? "" : $"?since={since}")}", caller, (byte[]?)null);
            if (answer.Status != 200) return $"sync: {answer}";
            if (answer.Problem(isBare: false, isMatrix: true) is { } problem) return $"sync: {problem}";

            using var document = JsonDocument.Parse(answer.Body, new JsonDocumentOptions { MaxDepth = 10_000 });
            var sync = document.RootElement;
            _devices[device].Since = sync.String("next_batch");
            foreach (var user in sync.GetProperty("device_lists").GetProperty("changed").EnumerateArray())
                if (!IsUserId(user.GetString()!)) return $"who has changed their keys is no user: {answer}";
            if (!sync.TryGetProperty("to_device", out var toDevice)) break;
            foreach (var message in toDevice.GetProperty("events").EnumerateArray())
            {
                _received++;
                _counts.Delivered++;
                if (message.GetProperty("content").ValueKind != JsonValueKind.Object || message.String("sender").Length == 0) return $"a message is not one: {message}";
                if (message.String("type") == "m.good" && !missing.Remove(message.GetProperty("content").String("text"))) return $"once more: {message}";
            }
        }

        return missing.Count == 0 ? null : $"'{missing[0]}' did not come";
    }

    private static bool IsUserId(string text) => text.Length is > 2 and <= 255 && text[0] == '@' && text.Contains(':', StringComparison.Ordinal) && !text.Any(char.IsControl);
}
