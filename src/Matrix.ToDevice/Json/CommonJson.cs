using System.Text.Json;

namespace Matrix.ToDevice;

/// <summary>
/// What every reader of JSON can read. Some refuse a whole text for half of a surrogate pair, or for a number that is larger than any
/// double: Go's, Rust's and Python's among them.
/// </summary>
internal static class CommonJson
{
    /// <param name="json">One JSON value.</param>
    public static bool IsReadable(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = int.MaxValue });
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.PropertyName or JsonTokenType.String)
            {
                if (reader.ValueIsEscaped && JsonText.Decode(reader.ValueSpan) is null) return false;
            }
            else if (reader.TokenType == JsonTokenType.Number && !(reader.TryGetDouble(out var number) && double.IsFinite(number)))
            {
                return false;
            }
        }

        return true;
    }
}
