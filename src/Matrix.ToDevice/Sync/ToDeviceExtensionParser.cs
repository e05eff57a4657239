using System.Text.Json;

namespace Matrix.ToDevice;

/// <summary>
/// Reads <c>{"enabled": …, "limit": …, "since": …}</c>. What is of a wrong type is an error even if the extension is not enabled: the
/// client would be told when it enables it.
/// </summary>
internal static class ToDeviceExtensionParser
{
    public static ToDeviceExtensionRequest Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            // How deep a member goes that nobody reads is the host's business.
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = int.MaxValue });
            reader.Read();
            var request = reader.TokenType switch
            {
                JsonTokenType.StartObject => ReadMembers(ref reader),
                JsonTokenType.Null => default,
                _ => throw Error(ToDeviceError.BadJson("to_device is not an object")),
            };

            // Throws for what stands behind it.
            reader.Read();
            return request;
        }
        catch (JsonException)
        {
            throw Error(ToDeviceError.NotJson("to_device is not JSON"));
        }
    }

    private static ToDeviceExtensionRequest ReadMembers(ref Utf8JsonReader reader)
    {
        var isEnabled = false;
        var limit = ToDeviceExtensionRequest.DefaultLimit;
        string? since = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.ValueSpan;
            reader.Read();
            if (JsonText.Equals(name, "enabled"u8)) isEnabled = ReadEnabled(ref reader);
            else if (JsonText.Equals(name, "limit"u8)) limit = ReadLimit(ref reader);
            else if (JsonText.Equals(name, "since"u8)) since = ReadSince(ref reader);
            else reader.Skip();
        }

        return isEnabled ? new ToDeviceExtensionRequest(since, limit) : default;
    }

    private static bool ReadEnabled(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.True => true,
        JsonTokenType.False or JsonTokenType.Null => false,
        _ => throw Error(ToDeviceError.BadJson("to_device.enabled is not true or false")),
    };

    // 1e2 is the integer 100, as in the rest of Matrix (D20).
    private static int ReadLimit(ref Utf8JsonReader reader) =>
        reader.TokenType == JsonTokenType.Number && CanonicalNumber.TryGetInteger(reader.ValueSpan, out var limit) && limit > 0
            ? (int)Math.Min(limit, int.MaxValue)
            : throw Error(ToDeviceError.InvalidParam("to_device.limit is not a positive integer"));

    // No token is empty: it is left out until there is one.
    private static string? ReadSince(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.Null => null,
        JsonTokenType.String when JsonText.Decode(reader.ValueSpan) is { Length: > 0 } since => since,
        _ => throw Error(ToDeviceError.InvalidParam("to_device.since is not a next_batch of this extension")),
    };

    private static ToDeviceErrorException Error(ToDeviceError error) => new(error);
}
