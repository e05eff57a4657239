using System.Text.Json;
using System.Text.Unicode;

namespace Matrix.ToDevice;

/// <summary>The body of a POST for events, as an older draft of MSC3814 has it: an object that may have <c>next_batch</c>.</summary>
internal static class DehydratedDeviceEventsBody
{
    /// <summary>A token is a short text: clients send nothing else.</summary>
    public const int MaxBytes = 65_536;

    /// <summary>The value of <c>next_batch</c>; null when there is none.</summary>
    /// <exception cref="ToDeviceErrorException">It is not JSON, or not of this shape (R4).</exception>
    public static string? Read(ReadOnlySpan<byte> json)
    {
        if (!Utf8.IsValid(json)) throw new ToDeviceErrorException(ToDeviceError.NotJson("The body is not UTF-8"));
        try
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = int.MaxValue });
            var (isValid, nextBatch) = Read(ref reader);
            // To the end: what is not JSON is that, whatever comes before.
            while (reader.Read())
            {
            }

            return isValid
                ? nextBatch
                : throw new ToDeviceErrorException(ToDeviceError.BadJson("The body is not an object in which next_batch is a string"));
        }
        catch (JsonException)
        {
            throw new ToDeviceErrorException(ToDeviceError.NotJson("The body is not JSON"));
        }
    }

    private static (bool IsValid, string? NextBatch) Read(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject) return (false, null);

        var isFound = false;
        string? nextBatch = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isNextBatch = JsonText.Equals(reader.ValueSpan, "next_batch"u8);
            reader.Read();
            if (isNextBatch)
            {
                // Twice would be two different requests in one.
                if (isFound || reader.TokenType is not (JsonTokenType.String or JsonTokenType.Null)) return (false, null);
                isFound = true;
                if (reader.TokenType == JsonTokenType.String && (nextBatch = JsonText.Decode(reader.ValueSpan)) is null) return (false, null);
            }

            reader.Skip();
        }

        return (true, nextBatch);
    }
}
