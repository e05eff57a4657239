using System.Text.Json.Nodes;

namespace Matrix.ToDevice.Tests;

/// <summary>A response that has been read to its end.</summary>
internal sealed record TestResponse(int Status, string Body, IReadOnlyDictionary<string, string> Headers)
{
    /// <summary>The body as JSON.</summary>
    public JsonObject Json => JsonNode.Parse(Body)!.AsObject();

    /// <summary>The body's <c>errcode</c>; null when it has none.</summary>
    public string? ErrorCode => (string?)Json["errcode"];

    public static async Task<TestResponse> ReadAsync(HttpResponseMessage response) => new(
        (int)response.StatusCode,
        await response.Content.ReadAsStringAsync(),
        response.Headers.Concat(response.Content.Headers)
            .ToDictionary(header => header.Key, header => string.Join(", ", header.Value), StringComparer.OrdinalIgnoreCase));

    /// <summary>The response is this Matrix error: status, code, both keys and the content type (R2, R3).</summary>
    public void ShouldBe(int status, string errorCode)
    {
        Assert.That(Status, Is.EqualTo(status), Body);
        Assert.That(Headers["Content-Type"], Is.EqualTo("application/json"));
        Assert.That(ErrorCode, Is.EqualTo(errorCode), Body);
        Assert.That((string?)Json["error"], Is.Not.Empty);
    }

    /// <summary>The response says that the send was accepted (R22).</summary>
    public void ShouldBeAccepted()
    {
        Assert.That(Status, Is.EqualTo(200), Body);
        Assert.That(Body, Is.EqualTo("{}"));
        Assert.That(Headers["Content-Type"], Is.EqualTo("application/json"));
    }
}
