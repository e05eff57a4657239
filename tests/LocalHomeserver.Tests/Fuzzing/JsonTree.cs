using System.Text;
using System.Text.Json;

namespace LocalHomeserver.Tests;

/// <summary>JSON that can be changed at every place, and spelled as no serializer would: one of the four is there.</summary>
internal sealed class JsonTree
{
    private static readonly string[] s_space = [" ", "\t", "\n", "\r\n", "   "];

    public List<(Spelled Name, JsonTree Value)>? Members { get; init; }

    public List<JsonTree>? Items { get; init; }

    public Spelled? Text { get; init; }

    /// <summary>Anything else, which is written as it is.</summary>
    public string? Token { get; init; }

    public static JsonTree Of(string text) => new() { Text = text };

    public static JsonTree OfToken(string token) => new() { Token = token };

    public static JsonTree Parse(string json)
    {
        using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 1000 });
        return Of(document.RootElement);
    }

    /// <summary>The numbers, as they are written.</summary>
    public IEnumerable<string> Numbers() =>
    [
        .. Members?.SelectMany(member => member.Value.Numbers()) ?? [],
        .. Items?.SelectMany(item => item.Numbers()) ?? [],
        .. Token is [(>= '0' and <= '9') or '-', ..] ? (string[])[Token] : [],
    ];

    /// <summary>The value of a member.</summary>
    public JsonTree? this[string name] => Members?.Find(member => member.Name.Text == name).Value;

    private static JsonTree Of(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Object => new() { Members = [.. json.EnumerateObject().Select(member => (new Spelled(member.Name), Of(member.Value)))] },
        JsonValueKind.Array => new() { Items = [.. json.EnumerateArray().Select(Of)] },
        JsonValueKind.String => Of(json.GetString()!),
        _ => OfToken(json.GetRawText()),
    };

    public JsonTree Clone() => new()
    {
        Members = Members?.ConvertAll(member => (member.Name, member.Value.Clone())),
        Items = Items?.ConvertAll(item => item.Clone()),
        Text = Text,
        Token = Token,
    };

    /// <summary>Whether it could be signed: no text has half a surrogate pair, and no name is there twice.</summary>
    public bool HasCanonicalForm =>
        (Text is null || IsWhole(Text.Value.Text))
        && (Items is null || Items.TrueForAll(item => item.HasCanonicalForm))
        && (Members is null || (Members.TrueForAll(member => IsWhole(member.Name.Text) && member.Value.HasCanonicalForm)
            && Members.DistinctBy(member => member.Name.Text).Count() == Members.Count));

    public void WriteTo(StringBuilder json, Random random, bool isSpaced)
    {
        Space();
        if (Members is not null)
        {
            json.Append('{');
            for (var i = 0; i < Members.Count; i++)
            {
                if (i > 0) json.Append(',');
                Space();
                Members[i].Name.WriteTo(json, random);
                Space();
                json.Append(':');
                Members[i].Value.WriteTo(json, random, isSpaced);
            }

            json.Append('}');
        }
        else if (Items is not null)
        {
            json.Append('[');
            for (var i = 0; i < Items.Count; i++)
            {
                if (i > 0) json.Append(',');
                Items[i].WriteTo(json, random, isSpaced);
            }

            json.Append(']');
        }
        else if (Text is { } text) text.WriteTo(json, random);
        else json.Append(Token);

        Space();

        void Space()
        {
            if (isSpaced && random.Next(2) == 0) json.Append(s_space[random.Next(s_space.Length)]);
        }
    }

    /// <summary>What another server signs: in order, with the shortest escapes, and with the numbers as they are written (D20).</summary>
    public void WriteCanonical(StringBuilder json)
    {
        if (Members is not null)
        {
            json.Append('{');
            var isFirst = true;
            foreach (var (name, value) in Members.OrderBy(member => member.Name.Text, CodePoints.Instance))
            {
                if (!isFirst) json.Append(',');
                isFirst = false;
                name.WriteCanonical(json);
                json.Append(':');
                value.WriteCanonical(json);
            }

            json.Append('}');
        }
        else if (Items is not null)
        {
            json.Append('[');
            for (var i = 0; i < Items.Count; i++)
            {
                if (i > 0) json.Append(',');
                Items[i].WriteCanonical(json);
            }

            json.Append(']');
        }
        else if (Text is { } text) text.WriteCanonical(json);
        else json.Append(Token);
    }

    private static bool IsWhole(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsSurrogatePair(text, i)) i++;
            else if (char.IsSurrogate(text[i])) return false;
        }

        return true;
    }

    /// <summary>The order of canonical JSON: by code points, which is not that of UTF-16.</summary>
    private sealed class CodePoints : IComparer<string>
    {
        public static CodePoints Instance { get; } = new();

        public int Compare(string? x, string? y)
        {
            for (var i = 0; i < Math.Min(x!.Length, y!.Length); i++)
                if (x[i] != y[i]) return Key(x[i]).CompareTo(Key(y[i]));
            return x.Length.CompareTo(y!.Length);

            // Pairs come last.
            static int Key(char character) => char.IsSurrogate(character) ? character + 0x10000 : character;
        }
    }
}
