using System.Diagnostics;
using System.Text.Json;

namespace Matrix.ToDevice;

/// <summary>The <c>org.matrix.msgid</c> of some contents, each once: so many, and none that is longer than usual (D17).</summary>
internal readonly struct MessageIds()
{
    private const int Most = 100;
    private const int MaxLength = 100;

    private readonly HashSet<string> _ids = new(StringComparer.Ordinal);

    private static ReadOnlySpan<byte> Key => "org.matrix.msgid"u8;

    /// <summary>The one of a content; null when it has none, or none that can be said.</summary>
    public static string? Find(ReadOnlySpan<byte> content)
    {
        if (content.IndexOf(Key) < 0) return null;

        var ids = new MessageIds();
        ids.Add(content, depth: 1);
        return ids._ids.FirstOrDefault();
    }

    public void Add(ReadOnlyMemory<byte> content) => Add(content.Span, depth: 1);

    /// <summary>Those of the contents in some JSON, whose keys are so deep in it.</summary>
    public void Add(ReadOnlyMemory<byte> json, int depth) => Add(json.Span, depth);

    public void TagOn(Activity activity, string tag)
    {
        if (_ids.Count > 0) activity.SetTag(tag, _ids.ToArray());
    }

    private void Add(ReadOnlySpan<byte> json, int depth)
    {
        // Most contents have it or have it not in plain letters: the scan spares the others the parsing.
        if (_ids.Count >= Most || json.IndexOf(Key) < 0) return;

        try
        {
            Read(json, depth);
        }
        catch (JsonException)
        {
            // It came out of a store. What a client cannot read, it will say itself.
        }
    }

    private void Read(ReadOnlySpan<byte> json, int depth)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = int.MaxValue });
        while (_ids.Count < Most && reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName) continue;

            var isOfContent = reader.CurrentDepth == depth;
            var found = isOfContent && JsonText.Equals(reader.ValueSpan, Key);
            reader.Read();
            // The client's text: bounded, and nothing that would have to be unescaped.
            if (found && reader.TokenType == JsonTokenType.String && !reader.ValueIsEscaped && reader.ValueSpan.Length <= MaxLength)
                _ids.Add(reader.GetString()!);
            else if (isOfContent) reader.Skip();
        }
    }
}
