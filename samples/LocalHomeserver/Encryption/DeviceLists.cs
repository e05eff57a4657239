namespace LocalHomeserver;

/// <summary>When each user's devices or cross-signing keys last changed, for those who have to ask for them again.</summary>
internal sealed class DeviceLists(KeyChanges changes, IKeyDatabase database)
{
    /// <summary>A change of what others see of a user.</summary>
    /// <param name="userId">The user.</param>
    /// <param name="deviceId">The device whose keys or name have changed; empty when it was something else.</param>
    /// <param name="cancellationToken">Cancels what is not committed.</param>
    public async ValueTask ChangeAsync(string userId, string deviceId, CancellationToken cancellationToken) =>
        await changes.MakeAsync(change => ChangeAsync(change, userId, deviceId), cancellationToken);

    /// <summary>
    /// The same, as a part of another change. What names no device leaves the latest one that was named: another server may not have
    /// been told about it yet.
    /// </summary>
    public static Task<int> ChangeAsync(KeyChange change, string userId, string deviceId) =>
        change.Statements.ExecuteAsync(
            """
            INSERT INTO local_homeserver.device_list VALUES ($1, $2, 0, $3) ON CONFLICT (user_id) DO UPDATE
            SET previous = device_list.position, position = excluded.position,
                device_id = CASE WHEN length(excluded.device_id) = 0 THEN device_list.device_id ELSE excluded.device_id END
            """,
            userId, change.TakePosition(), deviceId);

    /// <summary>What another server has not been told yet, the oldest first: the last change of each list.</summary>
    public ValueTask<List<ListChange>> FindNewsAsync(string serverName, int limit, CancellationToken cancellationToken) => changes.ReadAsync(
        statements => statements.QueryAsync(
            """
            SELECT user_id, device_id, position, previous FROM local_homeserver.device_list
            WHERE position > coalesce((SELECT position FROM local_homeserver.told WHERE server_name = $1), 0)
            ORDER BY position LIMIT $2
            """,
            row => new ListChange(row.Text(0), row.Text(1), row.Number(2), row.Number(3)), serverName, (long)limit),
        cancellationToken);

    /// <summary>Another server has been told about everything up to a position.</summary>
    public async ValueTask RememberToldAsync(string serverName, long position, CancellationToken cancellationToken) =>
        await database.InOneStepAsync(
            statements => statements.ExecuteAsync(
                """
                INSERT INTO local_homeserver.told VALUES ($1, $2) ON CONFLICT (server_name) DO UPDATE
                SET position = excluded.position WHERE told.position < excluded.position
                """,
                serverName, position),
            cancellationToken);

    /// <summary>
    /// Whose keys a user has to ask for again: their own, those of the users with whom they have exchanged messages, and those of
    /// the users whose keys they have signed, which are different for them alone.
    /// </summary>
    public static Task<List<string>> FindChangedAsync(KeyStatements statements, string userId, long since) => statements.QueryAsync(
        """
        SELECT user_id FROM local_homeserver.device_list WHERE user_id = $1 AND position > $2
        UNION SELECT list.user_id FROM local_homeserver.contact
            JOIN local_homeserver.device_list list ON list.user_id = contact.other_id
            WHERE contact.user_id = $1 AND list.position > $2
        UNION SELECT user_id FROM local_homeserver.key_signature WHERE signer_id = $1 AND position > $2
        """,
        row => row.Text(0), userId, since);

    /// <summary>The version of a user's list, for other servers; 0 when it never changed.</summary>
    public async ValueTask<long> VersionAsync(string userId, CancellationToken cancellationToken)
    {
        var positions = await changes.ReadAsync(
            statements => statements.QueryAsync(
                "SELECT position FROM local_homeserver.device_list WHERE user_id = $1", row => row.Number(0), userId),
            cancellationToken);
        return positions is [var position] ? position : 0;
    }
}

/// <summary>A change of a user's list.</summary>
/// <param name="UserId">The user.</param>
/// <param name="DeviceId">The device whose keys or name have changed; empty when it was something else.</param>
/// <param name="Version">The version of the list from then on.</param>
/// <param name="Previous">The version before it; 0 when there was none.</param>
internal sealed record ListChange(string UserId, string DeviceId, long Version, long Previous);
