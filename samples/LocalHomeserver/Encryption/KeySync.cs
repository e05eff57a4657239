using System.Text.Json;

namespace LocalHomeserver;

/// <summary>What a sync response says about keys.</summary>
/// <param name="Position">Up to which change it tells everything.</param>
/// <param name="Changed">The users whose keys the client has to ask for again.</param>
/// <param name="Counts">How many one-time keys of its own are left, for each algorithm.</param>
/// <param name="UnusedFallbackKeys">The algorithms of its own fallback keys that nobody has got yet.</param>
/// <param name="HasNews">Whether anything of it is new to the client.</param>
internal sealed record KeySync(
    long Position,
    IReadOnlyList<string> Changed,
    IReadOnlyDictionary<string, long> Counts,
    IReadOnlyList<string> UnusedFallbackKeys,
    bool HasNews)
{
    /// <summary>Writes whose keys have changed.</summary>
    public void WriteListsTo(Utf8JsonWriter json)
    {
        json.WriteStartObject("device_lists");
        WriteArray(json, "changed", Changed);
        WriteArray(json, "left", []);
        json.WriteEndObject();
    }

    /// <summary>Writes what is left of the device's own keys.</summary>
    public void WriteOwnTo(Utf8JsonWriter json)
    {
        json.WriteStartObject("device_one_time_keys_count");
        foreach (var (algorithm, count) in Counts) json.WriteNumber(algorithm, count);
        json.WriteEndObject();
        WriteArray(json, "device_unused_fallback_key_types", UnusedFallbackKeys);
    }

    private static void WriteArray(Utf8JsonWriter json, string name, IReadOnlyList<string> values)
    {
        json.WriteStartArray(name);
        foreach (var value in values) json.WriteStringValue(value);
        json.WriteEndArray();
    }
}
