using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>What a sync is told about besides messages. One question to the database: it is asked by every sync, and most find nothing.</summary>
internal sealed record OtherNews(KeySync Keys, AccountDataSync AccountData)
{
    // The kinds of rows.
    private const long OfAccountData = 1, OfPosition = 2, OfList = 3, OfStock = 4, OfCount = 5, OfFallback = 6;

    // A position ahead of the store is one that it has forgotten, with what came before it. Where nothing has changed, nothing is looked
    // through. Each contact is looked up: a join would be planned without knowing how few they are. The first kind has all columns: the
    // others take their types from it.
    private const string Statement = """
        WITH look AS (
            SELECT position, CASE WHEN $3 > position THEN 0 ELSE $3 END AS since FROM local_homeserver.key_position WHERE the_only_row = 1),
        change AS (SELECT since FROM look WHERE since < position)
        SELECT 1, data.type, data.position, data.content FROM change, local_homeserver.account_data data
            WHERE $5 = 1 AND data.user_id = $1 AND data.position > change.since
        UNION ALL SELECT 2, NULL, position, NULL FROM look
        UNION ALL SELECT 3, list.user_id, 0, NULL FROM change, local_homeserver.device_list list
            WHERE $4 = 1 AND list.user_id = $1 AND list.position > change.since
        UNION ALL SELECT 3, contact.other_id, 0, NULL FROM change, local_homeserver.contact contact
            WHERE $4 = 1 AND contact.user_id = $1
                AND (SELECT list.position FROM local_homeserver.device_list list WHERE list.user_id = contact.other_id) > change.since
        UNION ALL SELECT 3, signature.user_id, 0, NULL FROM change, local_homeserver.key_signature signature
            WHERE $4 = 1 AND signature.signer_id = $1 AND signature.position > change.since
        UNION ALL SELECT 4, NULL, 0, NULL FROM change, local_homeserver.key_stock stock
            WHERE $4 = 1 AND stock.user_id = $1 AND stock.device_id = $2 AND stock.position > change.since
        UNION ALL SELECT 5, algorithm, count(*), NULL FROM local_homeserver.one_time_key
            WHERE user_id = $1 AND device_id = $2 GROUP BY algorithm
        UNION ALL SELECT 6, algorithm, is_used, NULL FROM local_homeserver.fallback_key
            WHERE user_id = $1 AND device_id = $2 AND is_used = 0
        """;

    /// <param name="changes">Where to read.</param>
    /// <param name="device">The device that syncs.</param>
    /// <param name="request">What it wants to be told about. Who has been told nothing yet is told no changes, and all account data.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static async ValueTask<OtherNews> ReadAsync(
        KeyChanges changes, DeviceAddress device, SyncRequest request, CancellationToken cancellationToken)
    {
        var rows = await changes.ReadAsync(
            statements => statements.QueryAsync(
                Statement,
                row => (Kind: row.Number(0), Name: row.TextOrEmpty(1), Number: row.Number(2), Content: row.BytesOrEmpty(3)),
                device.UserId, device.DeviceId, request.Keys ?? 0, request.Keys is null ? 0L : 1L, request.WantsAccountData ? 1L : 0L),
            cancellationToken);
        var byKind = rows.ToLookup(row => row.Kind);
        var changed = byKind[OfList].Select(row => row.Name).Distinct().ToList();
        var counts = byKind[OfCount].ToDictionary(row => row.Name, row => row.Number);
        return new OtherNews(
            new KeySync(
                byKind[OfPosition].Single().Number,
                changed,
                OneTimeKeys.WithUsual(counts),
                [.. byKind[OfFallback].Select(row => row.Name)],
                changed.Count > 0 || byKind[OfStock].Any()),
            new AccountDataSync([.. byKind[OfAccountData].OrderBy(row => row.Number).Select(row => (row.Name, row.Content))]));
    }
}
