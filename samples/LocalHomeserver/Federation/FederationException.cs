using System.Text.Json;

namespace LocalHomeserver;

/// <summary>Another server did not do what it was asked for.</summary>
public sealed class FederationException(string message, Exception? inner = null) : Exception(message, inner)
{
    // It is shown to clients and written into logs.
    private const int MaxCodeLength = 100;

    /// <summary>The status of its answer; null when there was none, or not one that could be read.</summary>
    public int? StatusCode { get; private init; }

    /// <summary>How long it asked to be left alone, if it did.</summary>
    public TimeSpan? RetryAfter { get; private init; }

    /// <summary>The Matrix error code in its answer, if there was one.</summary>
    public string? ErrorCode { get; private init; }

    internal static FederationException Of(string serverName, int statusCode, byte[] body, TimeSpan? retryAfter)
    {
        var errorCode = ReadErrorCode(body);
        return new FederationException($"{serverName} answered {statusCode} {errorCode}".TrimEnd())
        {
            StatusCode = statusCode,
            ErrorCode = errorCode,
            RetryAfter = retryAfter,
        };
    }

    private static string? ReadErrorCode(byte[] body)
    {
        try
        {
            return JsonElement.Parse(body).GetProperty("errcode").GetString() is { Length: <= MaxCodeLength } code ? code : null;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            // A proxy in between answers in other forms.
            return null;
        }
    }
}
