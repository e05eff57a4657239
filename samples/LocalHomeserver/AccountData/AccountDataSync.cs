using System.Text.Json;

namespace LocalHomeserver;

/// <summary>What a sync response says about account data.</summary>
/// <param name="Events">All of it at a first sync, and later on what has changed.</param>
internal sealed record AccountDataSync(IReadOnlyList<(string Type, byte[] Content)> Events)
{
    /// <summary>Whether there is something to tell.</summary>
    public bool HasNews => Events.Count > 0;

    /// <summary>Writes its part of the response.</summary>
    public void WriteTo(Utf8JsonWriter json)
    {
        json.WriteStartObject("account_data");
        json.WriteStartArray("events");
        foreach (var (type, content) in Events)
        {
            json.WriteStartObject();
            json.WriteString("type", type);
            json.WritePropertyName("content");
            json.WriteRawValue(content, skipInputValidation: true);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
