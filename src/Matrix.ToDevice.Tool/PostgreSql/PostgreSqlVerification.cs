using Npgsql;
using static Matrix.ToDevice.Tool.PostgreSqlQueries;

namespace Matrix.ToDevice.Tool;

/// <summary>Whatever of a PostgreSQL store can be checked at rest.</summary>
internal sealed class PostgreSqlVerification(PostgreSqlQueries queries, string schema, Findings findings, IProgress<long> progress)
{
    private static readonly string[] s_indexes =
    [
        "to_device_destination_pkey", "to_device_device_by_removal", "to_device_device_pkey", "to_device_edu_pkey", "to_device_lease_by_time",
        "to_device_lease_of_empty_by_time", "to_device_lease_of_failing_by_time", "to_device_lease_of_kept", "to_device_lease_pkey", "to_device_message_pkey",
        "to_device_transaction_by_age", "to_device_transaction_of_edus_by_age", "to_device_transaction_pkey",
    ];

    private static readonly string[] s_functions =
    [
        "to_device_acknowledge", "to_device_acquire", "to_device_acquire_these", "to_device_commit", "to_device_due", "to_device_expire", "to_device_forget",
        "to_device_measure", "to_device_measure_inboxes", "to_device_measure_outbox", "to_device_release", "to_device_remove", "to_device_remove_edus",
        "to_device_renew",
    ];

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var soon = TimeProvider.System.GetUtcNow().Add(Verification.ClockTolerance).UtcDateTime;
        await CheckAsync("indexes and functions are there", """
            SELECT 'the index ' || name || ' is missing or not valid' FROM unnest($1) AS name WHERE NOT EXISTS (
                SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indexrelid = c.oid
                WHERE n.nspname = $3 AND c.relname = name AND i.indisvalid)
            UNION ALL
            SELECT 'the function ' || name || ' is missing' FROM unnest($2) AS name WHERE NOT EXISTS (
                SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $3 AND p.proname = name)
            """, cancellationToken, Of(s_indexes), Of(s_functions), Of(schema));
        await CheckAsync("every row has its device", """
            SELECT count(*) || ' messages of no device: ' || user_id || ' ' || device_id FROM to_device_message m
            WHERE NOT EXISTS (SELECT FROM to_device_device d WHERE d.user_id = m.user_id AND d.device_id = m.device_id) GROUP BY user_id, device_id
            """, cancellationToken);
        await CheckAsync("removed devices are gone", """
            SELECT d.user_id || ' ' || d.device_id || ' was removed and has no time of that, or a number of the future'
            FROM to_device_device d WHERE d.removal > 0 AND (d.removed_at IS NULL OR d.removal > (SELECT last FROM to_device_removals))
            """, cancellationToken);
        await CheckAsync("sequence numbers are given once, without gaps", """
            SELECT user_id || ' ' || device_id || ' has ' || count(*) || ' messages from ' || min(sequence) || ' to ' || max(sequence)
            FROM to_device_message GROUP BY user_id, device_id
            HAVING count(*) <> max(sequence) - min(sequence) + 1 OR count(DISTINCT sequence) <> count(*) OR min(sequence) < 1
            """, cancellationToken);
        await CheckAsync("the newest message is the one that was counted last", """
            SELECT d.user_id || ' ' || d.device_id || ' counts ' || d.last_sequence || ', and its newest message is ' || max(m.sequence)
            FROM to_device_device d JOIN to_device_message m USING (user_id, device_id) GROUP BY d.user_id, d.device_id, d.last_sequence
            HAVING max(m.sequence) <> d.last_sequence
            """, cancellationToken);
        await CheckAsync("what was deleted does not come back", """
            SELECT d.user_id || ' ' || d.device_id || ' has message ' || min(m.sequence) || ', and ' || d.acknowledged || ' was deleted'
            FROM to_device_device d JOIN to_device_message m USING (user_id, device_id) GROUP BY d.user_id, d.device_id, d.acknowledged
            HAVING min(m.sequence) <= d.acknowledged
            """, cancellationToken);
        await CheckAsync("nothing is acknowledged that never was", """
            SELECT user_id || ' ' || device_id || ' has acknowledged ' || acknowledged || ' of ' || last_sequence FROM to_device_device
            WHERE acknowledged > last_sequence OR acknowledged < 0
            """, cancellationToken);
        await CheckAsync("transaction records have keys and times that can be", """
            SELECT count(*) || ' records of ' || user_id || ' ' || device_id || ' are from the future' FROM to_device_transaction
            WHERE last_used > $1 GROUP BY user_id, device_id
            """, cancellationToken, Of(soon));
        await CheckAsync("messages and EDUs have times that can be", """
            SELECT count(*) || ' messages of ' || user_id || ' ' || device_id || ' are from the future' FROM to_device_message
            WHERE committed_at > $1 GROUP BY user_id, device_id
            UNION ALL
            SELECT count(*) || ' EDUs for ' || destination || ' are from the future' FROM to_device_edu WHERE committed_at > $1 GROUP BY destination
            """, cancellationToken, Of(soon));
        await CheckAsync("destinations that have mail are looked at", """
            SELECT count(*) || ' EDUs for ' || e.destination || ' that nobody would send'
            FROM to_device_edu e LEFT JOIN to_device_lease l ON l.destination = e.destination
            WHERE l.destination IS NULL OR NOT l.is_waiting OR e.position <= l.removed_up_to GROUP BY e.destination
            """, cancellationToken);
        await CheckAsync("nothing is kept of a destination for which nothing waits", """
            SELECT l.destination || ' has a lease and no EDUs' FROM to_device_lease l
            WHERE l.holder IS NULL AND NOT EXISTS (SELECT FROM to_device_edu e WHERE e.destination = l.destination)
            """, cancellationToken);
        await CheckAsync("positions of EDUs are counted", """
            SELECT 'EDU ' || max(e.position) || ' for ' || e.destination || ' is ahead of the counter, ' || coalesce(max(d.last_position)::text, 'which is missing')
            FROM to_device_edu e LEFT JOIN to_device_destination d ON d.destination = e.destination GROUP BY e.destination
            HAVING max(e.position) > coalesce(max(d.last_position), 0) OR min(e.position) < 1
            """, cancellationToken);
        await CheckContentsAsync(
            "contents of messages are JSON", "SELECT user_id || ' ' || device_id || ' ' || sequence, content FROM to_device_message", cancellationToken);
        await CheckContentsAsync("contents of EDUs are JSON", "SELECT destination || ' ' || position, content FROM to_device_edu", cancellationToken);
    }

    private async Task CheckAsync(string promise, string sql, CancellationToken cancellationToken, params NpgsqlParameter[] parameters)
    {
        findings.Begin(promise);
        await foreach (var row in queries.RowsAsync(sql, cancellationToken, parameters)) findings.Add(PostgreSqlText.Unescape(row.GetString(0)));
    }

    private async Task CheckContentsAsync(string promise, string sql, CancellationToken cancellationToken)
    {
        findings.Begin(promise);
        var looked = 0L;
        await foreach (var row in queries.RowsAsync(sql, cancellationToken))
        {
            if (!Verification.IsJson(row.GetFieldValue<byte[]>(1))) findings.Add(PostgreSqlText.Unescape(row.GetString(0)));
            if (++looked % 1024 == 0) progress.Report(looked);
        }
    }
}
