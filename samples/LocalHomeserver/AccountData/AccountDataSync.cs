using System.Text.Json;

namespace LocalHomeserver;

/// <summary>What a sync response says about account data.</summary>
/// <param name="Events">All of it at a first sync, and later on what has changed.</param>
internal sealed record AccountDataSync(IReadOnlyList<(string Type, byte[] Content)> Events)
{
    /// <summary>Nothing, for who does not want it.</summary>
    public static AccountDataSync None { get; } = new([]);

    /// <param name="changes">Where to read.</param>
    /// <param name="userId">The user.</param>
    /// <param name="since">
    /// The position that the client has been told about; null for a first sync. The one that it is told next is to be read before this:
    /// then what changes in between is told twice, and never not at all.
    /// </param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static ValueTask<AccountDataSync> ReadAsync(
        KeyChanges changes, string userId, long? since, CancellationToken cancellationToken) => changes.ReadAsync(
        async statements =>
        {
            // A position ahead of the store is one that it has forgotten, with what came before it.
            var from = since is null || since > await KeyChanges.PositionAsync(statements) ? 0 : since.Value;
            return new AccountDataSync(await statements.QueryAsync(
                """
                SELECT type, content FROM local_homeserver.account_data WHERE user_id = $1 AND position > $2 ORDER BY position
                """,
                row => (row.Text(0), row.Bytes(1)), userId, from));
        },
        cancellationToken);

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
