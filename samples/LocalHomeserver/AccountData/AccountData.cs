namespace LocalHomeserver;

/// <summary>
/// What users keep on the server for their own clients: settings, and secrets that are encrypted. It lives with the keys and takes
/// positions as they do, so that one position in a sync token is enough, and a change ends a long poll.
/// </summary>
internal sealed class AccountData(KeyChanges changes)
{
    /// <summary>The most types that a user may have: each is in every first sync.</summary>
    public const int MaxTypes = 1000;

    // As much as a sync has of messages: who does not read the answer keeps it in memory.
    private const int MaxBytes = 1024 * 1024;

    /// <summary>Puts a content in the place of the one with this type.</summary>
    public async ValueTask SaveAsync(string userId, string type, byte[] content, CancellationToken cancellationToken) => await changes.MakeAsync(
        async change =>
        {
            await change.Statements.ExecuteAsync(
                """
                INSERT INTO local_homeserver.account_data VALUES ($1, $2, $3, $4) ON CONFLICT (user_id, type)
                DO UPDATE SET content = excluded.content, position = excluded.position
                """,
                userId, type, content, change.TakePosition());
            var types = await change.Statements.QueryAsync(
                "SELECT length(content) FROM local_homeserver.account_data WHERE user_id = $1", row => row.Number(0), userId);
            return types.Count <= MaxTypes && types.Sum() <= MaxBytes
                ? 0
                : throw Errors.New(413, "M_TOO_LARGE", $"A user has {MaxTypes} types of account data and {MaxBytes} bytes at most");
        },
        cancellationToken);

    /// <summary>The content with a type; null when there is none.</summary>
    public async ValueTask<byte[]?> FindAsync(string userId, string type, CancellationToken cancellationToken)
    {
        var found = await changes.ReadAsync(
            statements => statements.QueryAsync(
                "SELECT content FROM local_homeserver.account_data WHERE user_id = $1 AND type = $2", row => row.Bytes(0), userId, type),
            cancellationToken);
        return found.SingleOrDefault();
    }
}
