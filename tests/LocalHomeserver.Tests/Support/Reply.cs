using System.Text.Json;

namespace LocalHomeserver.Tests;

/// <summary>A response of the homeserver.</summary>
internal sealed record Reply(int Status, IReadOnlyDictionary<string, string> Headers, string Text)
{
    public JsonElement Body => JsonDocument.Parse(Text).RootElement;

    public static async Task<Reply> ReadAsync(HttpResponseMessage response)
    {
        var headers = response.Headers.Concat(response.Content.Headers)
            .ToDictionary(header => header.Key, header => string.Join(", ", header.Value), StringComparer.OrdinalIgnoreCase);
        var reply = new Reply((int)response.StatusCode, headers, await response.Content.ReadAsStringAsync());
        reply.HasCorsHeaders();
        return reply;
    }

    /// <summary>The body of a success.</summary>
    public JsonElement Ok()
    {
        Assert.That(Status, Is.EqualTo(200), Text);
        return Body;
    }

    /// <summary>R2, R3: the status, a JSON body, and both keys in it.</summary>
    public JsonElement IsError(int status, string errorCode)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Status, Is.EqualTo(status), Text);
            Assert.That(Headers["Content-Type"], Does.StartWith("application/json"));
            Assert.That(Body.String("errcode"), Is.EqualTo(errorCode));
            Assert.That(Body.String("error"), Is.Not.Empty);
        }

        return Body;
    }

    // R7: on all responses, so every request of every test looks for them.
    private void HasCorsHeaders()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Allowed("Origin"), Is.EqualTo("*"));
            Assert.That(Allowed("Methods"), Is.EqualTo("GET, POST, PUT, DELETE, OPTIONS"));
            Assert.That(Allowed("Headers"), Is.EqualTo("X-Requested-With, Content-Type, Authorization"));
        }

        string? Allowed(string what) => Headers.GetValueOrDefault($"Access-Control-Allow-{what}");
    }
}

internal static class JsonExtensions
{
    public static string String(this JsonElement json, string name) => json.GetProperty(name).GetString()!;

    public static bool Has(this JsonElement json, string name) => json.TryGetProperty(name, out _);
}
