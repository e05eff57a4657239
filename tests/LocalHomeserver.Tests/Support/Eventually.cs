using System.Text.Json;

namespace LocalHomeserver.Tests;

/// <summary>Waits for what another server or a background service does in its own time.</summary>
internal static class Eventually
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);

    /// <summary>Looks until it is so.</summary>
    public static async Task IsAsync(Func<bool> condition, string what)
    {
        using var limit = new CancellationTokenSource(s_limit);
        while (!condition())
        {
            Assert.That(limit.IsCancellationRequested, Is.False, $"{what}: it did not come to that.");
            await Task.Delay(10);
        }
    }

    /// <summary>
    /// Syncs until a message with this text has come: the texts before it. What one device sends comes in order, so that all of
    /// its earlier messages have come then, and those that came twice.
    /// </summary>
    public static async Task<string[]> ReceivesUntilAsync(this TestDevice device, string last) =>
        [.. (await device.MessagesUntilAsync(last)).Select(Text).SkipLast(1)];

    /// <inheritdoc cref="ReceivesUntilAsync"/>
    public static async Task<List<JsonElement>> MessagesUntilAsync(this TestDevice device, string last)
    {
        List<JsonElement> messages = [];
        string? since = null;
        using var limit = new CancellationTokenSource(s_limit);
        while (!messages.Select(Text).Contains(last))
        {
            Assert.That(limit.IsCancellationRequested, Is.False, $"'{last}' did not come; {messages.Count} others did.");
            var sync = await device.SyncAsync(since, timeout: 1000);
            since = sync.NextBatch;
            if (sync.Texts.Length > 0) messages.AddRange(sync.Body.GetProperty("to_device").GetProperty("events").EnumerateArray());
        }

        Assert.That(Text(messages[^1]), Is.EqualTo(last));
        return messages;
    }

    private static string Text(JsonElement message) => message.GetProperty("content").String("text");
}
