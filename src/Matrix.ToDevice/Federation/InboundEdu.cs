using System.Text.Json;

namespace Matrix.ToDevice;

/// <summary>One EDU of an <see cref="InboundTransaction"/>.</summary>
/// <param name="EduType">Its <c>edu_type</c>.</param>
/// <param name="Content">
/// Its <c>content</c> as it came: one JSON value in UTF-8, of any form and depth. Empty when the EDU has none, or one of its keys twice.
/// </param>
public readonly record struct InboundEdu(string EduType, ReadOnlyMemory<byte> Content)
{
    /// <summary>Reads an EDU; null when it does not say what it is.</summary>
    /// <param name="edu">One JSON value, in UTF-8.</param>
    internal static InboundEdu? Read(ReadOnlyMemory<byte> edu)
    {
        var reader = new Utf8JsonReader(edu.Span, new JsonReaderOptions { MaxDepth = int.MaxValue });
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject) return null;

        string? type = null;
        ReadOnlyMemory<byte> content = default;
        var (types, contents) = (0, 0);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var (isType, isContent) = (JsonText.Equals(reader.ValueSpan, "edu_type"u8), JsonText.Equals(reader.ValueSpan, "content"u8));
            reader.Read();
            if (isType) (types, type) = (types + 1, reader.TokenType == JsonTokenType.String ? JsonText.Decode(reader.ValueSpan) : null);
            var start = (int)reader.TokenStartIndex;
            reader.Skip();
            if (isContent) (contents, content) = (contents + 1, edu[start..(int)reader.BytesConsumed]);
        }

        // Readers differ in which of the two they take.
        if (types > 1 || contents > 1) content = default;
        return type is null ? null : new InboundEdu(type, content);
    }
}
