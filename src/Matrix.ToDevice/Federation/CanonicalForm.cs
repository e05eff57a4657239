using System.Globalization;
using System.Text.Json;

namespace Matrix.ToDevice;

/// <summary>
/// Whether a content has a form as canonical JSON. Requests between servers are signed in that form, so that a content
/// without one cannot go to another server (specification, appendices, "Canonical JSON").
/// </summary>
internal static class CanonicalForm
{
    private const long MaxInteger = (1L << 53) - 1;

    /// <summary>What speaks against it; null when nothing does.</summary>
    /// <param name="content">Valid JSON, nested no deeper than the module's limit.</param>
    public static string? ProblemOf(ReadOnlySpan<byte> content)
    {
        var reader = new Utf8JsonReader(content, new JsonReaderOptions { MaxDepth = int.MaxValue });
        // The keys of each object that is open; null for an array.
        var open = new Stack<HashSet<string>?>();
        try
        {
            while (reader.Read())
            {
                switch (reader.TokenType)
                {
                    case JsonTokenType.StartObject:
                        open.Push([]);
                        break;
                    case JsonTokenType.StartArray:
                        open.Push(null);
                        break;
                    case JsonTokenType.EndObject or JsonTokenType.EndArray:
                        open.Pop();
                        break;
                    case JsonTokenType.PropertyName:
                        // Readers differ in which of the two they take.
                        if (!open.Peek()!.Add(reader.GetString()!)) return "a key is there twice";
                        break;
                    case JsonTokenType.String:
                        if (reader.ValueIsEscaped) reader.GetString();
                        break;
                    case JsonTokenType.Number:
                        if (!IsInteger(reader.ValueSpan)) return "a number is not an integer between -(2^53)+1 and (2^53)-1";
                        break;
                }
            }
        }
        catch (InvalidOperationException)
        {
            return "a string has an unpaired surrogate";
        }

        return null;
    }

    // A whole number in another form has a canonical one: -0 is 0, and 1e3 is 1000. What has a point or a negative exponent is
    // a float, even where its value is whole.
    private static bool IsInteger(ReadOnlySpan<byte> number) =>
        number.IndexOf("e-"u8) < 0 && number.IndexOf("E-"u8) < 0
        && decimal.TryParse(
            number, NumberStyles.AllowLeadingSign | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out var value)
        && Math.Abs(value) <= MaxInteger;
}
