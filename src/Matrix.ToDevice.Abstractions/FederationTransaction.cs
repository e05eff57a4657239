using System.Text.Json;

namespace Matrix.ToDevice;

/// <summary>
/// A transaction on its way to another server: EDUs without PDUs. A repeated one has the same ID and the same EDUs, also
/// after a restart and on another host (R84).
/// </summary>
/// <param name="Destination">The server name of the server that gets it.</param>
/// <param name="TransactionId">The <c>txnId</c> of its path: letters and digits.</param>
/// <param name="Edus">1 to 100 EDUs, all of type <see cref="EduType"/> (R83).</param>
public sealed record FederationTransaction(string Destination, string TransactionId, IReadOnlyList<OutboxEntry> Edus)
{
    /// <summary>The <c>edu_type</c> of to-device messages (R80).</summary>
    public const string EduType = "m.direct_to_device";

    /// <summary>
    /// Writes the body of the request: <c>{"edus":[…],"origin":…,"origin_server_ts":…,"pdus":[]}</c>, the same in every retry. Its keys
    /// are in the order of canonical JSON, and the EDUs' contents in that form.
    /// </summary>
    /// <param name="json">A writer that stands where a value goes.</param>
    /// <param name="origin">This server's name.</param>
    public void WriteTo(Utf8JsonWriter json, string origin)
    {
        ArgumentNullException.ThrowIfNull(json);

        json.WriteStartObject();
        json.WritePropertyName("edus"u8);
        WriteEdus(json);
        json.WriteString("origin"u8, origin);
        json.WriteNumber("origin_server_ts"u8, Edus[^1].CommittedAt.ToUnixTimeMilliseconds());
        json.WriteStartArray("pdus"u8);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Writes the EDUs alone, for a host that puts them beside others: an array of <c>{"content":…,"edu_type":…}</c>.</summary>
    /// <param name="json">A writer that stands where a value goes.</param>
    public void WriteEdus(Utf8JsonWriter json)
    {
        ArgumentNullException.ThrowIfNull(json);

        json.WriteStartArray();
        foreach (var edu in Edus)
        {
            json.WriteStartObject();
            json.WritePropertyName("content"u8);
            // As it was stored: it is in canonical form (D20), which the writer's own escapes are not.
            json.WriteRawValue(edu.Content.Span, skipInputValidation: true);
            json.WriteString("edu_type"u8, EduType);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
