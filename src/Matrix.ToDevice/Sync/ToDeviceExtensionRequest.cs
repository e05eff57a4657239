using System.Runtime.InteropServices;
using System.Text.Json;

namespace Matrix.ToDevice;

/// <summary>
/// What a sliding sync asks for with its <c>to_device</c> extension (MSC4538): the member of that name in the request's
/// <c>extensions</c>. The default value is one that is not enabled.
/// </summary>
public readonly record struct ToDeviceExtensionRequest
{
    internal const int DefaultLimit = 100;

    /// <summary>Makes one that is enabled, for a host that has read the request by other means.</summary>
    /// <param name="since">The <see cref="ToDeviceBatch.NextBatch"/> of the last response that the device processed; null when there is none.</param>
    /// <param name="limit">The most messages that the client wants, at least 1.</param>
    public ToDeviceExtensionRequest(string? since, int limit = DefaultLimit)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        (IsEnabled, Since, Limit) = (true, since, limit);
    }

    /// <summary>Whether the client wants to-device messages. If not, nothing is acknowledged and nothing comes (MSC4508).</summary>
    public bool IsEnabled { get; }

    /// <summary>
    /// The token of the last response that the device processed; null for a first request, which gets all that waits and deletes nothing.
    /// It is the extension's own, whatever becomes of <c>pos</c> and the connection (R122).
    /// </summary>
    public string? Since { get; }

    /// <summary>The most messages that the client wants (R120). A response has no more than <see cref="SendToDeviceOptions.SyncLimit"/> in any case.</summary>
    public int Limit { get; }

    /// <summary>Reads the extension's member of a request.</summary>
    /// <param name="config">
    /// Its value, <c>{"enabled": …, "limit": …, "since": …}</c>: each may be missing, and others are ignored. A missing or null value
    /// is an extension that is not enabled.
    /// </param>
    /// <exception cref="ToDeviceErrorException">
    /// 400 <c>M_INVALID_PARAM</c>: <c>limit</c> is not a positive integer, or <c>since</c> cannot be a token (R120, R122). 400
    /// <c>M_BAD_JSON</c>: the value is not an object, or <c>enabled</c> not true or false.
    /// </exception>
    public static ToDeviceExtensionRequest Parse(JsonElement config) =>
        config.ValueKind == JsonValueKind.Undefined ? default : Parse(JsonMarshal.GetRawUtf8Value(config));

    /// <summary><inheritdoc cref="Parse(JsonElement)" path="/summary"/></summary>
    /// <param name="config">As for <see cref="Parse(JsonElement)"/>, in UTF-8.</param>
    /// <exception cref="ToDeviceErrorException">As for <see cref="Parse(JsonElement)"/>; and 400 <c>M_NOT_JSON</c>: it is not JSON.</exception>
    public static ToDeviceExtensionRequest Parse(ReadOnlySpan<byte> config) => ToDeviceExtensionParser.Parse(config);
}
