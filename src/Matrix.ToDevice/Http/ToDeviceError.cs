using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Matrix.ToDevice;

/// <summary>An error as the Matrix specification shapes it: <c>{"errcode": …, "error": …}</c> with a status (R3).</summary>
/// <param name="StatusCode">The HTTP status, 400 to 599.</param>
/// <param name="ErrorCode">The <c>errcode</c>, <c>M_…</c>.</param>
/// <param name="Error">The <c>error</c>: a sentence for a person.</param>
public sealed record ToDeviceError(int StatusCode, string ErrorCode, string Error)
{
    /// <summary><c>soft_logout</c>, with <c>M_UNKNOWN_TOKEN</c> and <c>M_USER_LOCKED</c> (R9, R10).</summary>
    public bool? SoftLogout { get; init; }

    /// <summary>When to try again: the <c>Retry-After</c> header and, with 429, <c>retry_after_ms</c> (R13, D14).</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary><c>admin_contact</c>, with <c>M_RESOURCE_LIMIT_EXCEEDED</c> (R14).</summary>
    public string? AdminContact { get; init; }

    /// <summary><c>info_uri</c>, with <c>M_USER_LIMIT_EXCEEDED</c> (R14).</summary>
    public string? InfoUri { get; init; }

    /// <summary>Writes this error as the response.</summary>
    public async Task WriteAsync(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);

        if (RetryAfter is { } retryAfter)
        {
            var seconds = Math.Max(1, (long)Math.Ceiling(retryAfter.TotalSeconds));
            context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        }

        await MatrixResponse.WriteAsync(context, StatusCode, ToJson());
    }

    private ReadOnlyMemory<byte> ToJson()
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>(256);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("errcode", ErrorCode);
        json.WriteString("error", Error);
        if (SoftLogout is { } softLogout) json.WriteBoolean("soft_logout", softLogout);
        if (StatusCode == StatusCodes.Status429TooManyRequests && RetryAfter is { } retryAfter)
            json.WriteNumber("retry_after_ms", (long)Math.Ceiling(retryAfter.TotalMilliseconds));
        if (AdminContact is not null) json.WriteString("admin_contact", AdminContact);
        if (InfoUri is not null) json.WriteString("info_uri", InfoUri);
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }

    internal static ToDeviceError NotJson(string error) => new(400, "M_NOT_JSON", error);
    internal static ToDeviceError BadJson(string error) => new(400, "M_BAD_JSON", error);
    internal static ToDeviceError InvalidParam(string error) => new(400, "M_INVALID_PARAM", error);
    internal static ToDeviceError TooLarge(string error) => new(413, "M_TOO_LARGE", error);
    internal static ToDeviceError UnknownEndpoint { get; } = new(404, "M_UNRECOGNIZED", "Unrecognized request");
    internal static ToDeviceError WrongMethod { get; } = new(405, "M_UNRECOGNIZED", "This endpoint does not have this method");

    internal static ToDeviceError TemporarilyUnavailable(TimeSpan retryAfter) =>
        new(503, "M_UNKNOWN", "The server cannot do this at the moment; try again") { RetryAfter = retryAfter };
}
