using System.Text.Json;

namespace Matrix.ToDevice.Tests;

/// <summary>A response of <c>/sync</c>.</summary>
internal sealed class TestSync
{
    public TestSync(TestResponse response)
    {
        Assert.That(response.Status, Is.EqualTo(200), response.Body);
        Response = response;
        using var document = JsonDocument.Parse(response.Body, new JsonDocumentOptions { MaxDepth = 1000 });
        NextBatch = document.RootElement.GetProperty("next_batch").GetString()!;
        if (document.RootElement.TryGetProperty("to_device", out var toDevice))
        {
            Events = [.. toDevice.GetProperty("events").EnumerateArray().Select(message => new Event(
                message.GetProperty("sender").GetString()!,
                message.GetProperty("type").GetString()!,
                message.GetProperty("content").GetRawText(),
                string.Join(",", message.EnumerateObject().Select(property => property.Name))))];
        }
    }

    public TestResponse Response { get; }
    public string NextBatch { get; }
    public IReadOnlyList<Event> Events { get; } = [];

    /// <summary>The contents, as text.</summary>
    public IEnumerable<string> Contents => Events.Select(message => message.Content);

    /// <summary>One event; <paramref name="Keys"/> are the names of its properties.</summary>
    internal sealed record Event(string Sender, string Type, string Content, string Keys);
}
