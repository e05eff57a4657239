using Npgsql;
using static Matrix.ToDevice.Tool.PostgreSqlQueries;

namespace Matrix.ToDevice.Tool;

/// <summary>Whatever of a PostgreSQL store can be checked at rest.</summary>
internal sealed class PostgreSqlVerification(
    PostgreSqlQueries queries, string schema, FoundTables tables, Findings findings, IProgress<long> progress)
{
    private static readonly string[] s_indexes =
    [
        "to_device_destination_pkey", "to_device_device_by_removal", "to_device_device_pkey", "to_device_edu_pkey", "to_device_lease_by_time",
        "to_device_lease_of_empty_by_time", "to_device_lease_of_failing_by_time", "to_device_lease_pkey", "to_device_message_pkey",
        "to_device_transaction_by_age", "to_device_transaction_of_edus_by_age", "to_device_transaction_pkey",
    ];

    private static readonly string[] s_functions =
        ["to_device_acknowledge", "to_device_expire", "to_device_forget", "to_device_measure", "to_device_release", "to_device_remove", "to_device_remove_edus", "to_device_renew"];

    // And those of one layout only.
    private static readonly string[] s_indexesOfOneMachine = ["to_device_lease_of_kept"];
    private static readonly string[] s_indexesOfMany = ["to_device_delivered_pkey", "to_device_intent_by_age", "to_device_intent_pkey"];

    private static readonly string[] s_functionsOfOneMachine =
        ["to_device_acquire", "to_device_acquire_these", "to_device_commit", "to_device_due", "to_device_measure_inboxes", "to_device_measure_outbox"];

    private static readonly string[] s_functionsOfMany =
    [
        "to_device_accept", "to_device_add_edus", "to_device_deliver", "to_device_done", "to_device_forget_emptied", "to_device_forget_marks",
        "to_device_forget_removals", "to_device_look", "to_device_purge", "to_device_put", "to_device_take", "to_device_take_task", "to_device_waiting",
    ];

    // Whose rows are where: the table, the bucket, and the owner from whom it follows.
    private static readonly (string Table, string Bucket, string Owner)[] s_owners =
    [
        ("device", "bucket", "user_id"), ("message", "bucket", "user_id"), ("transaction", "bucket", "user_id"), ("intent", "bucket", "user_id"),
        ("delivered", "source", "user_id"), ("destination", "bucket", "destination"), ("edu", "bucket", "destination"), ("lease", "bucket", "destination"),
    ];

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var (by, isDistributed) = (tables.By, tables.IsDistributed);
        var soon = TimeProvider.System.GetUtcNow().Add(Verification.ClockTolerance).UtcDateTime;
        await CheckAsync("indexes and functions are there", """
            SELECT 'the index ' || name || ' is missing or not valid' FROM unnest($1) AS name WHERE NOT EXISTS (
                SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indexrelid = c.oid
                WHERE n.nspname = $3 AND c.relname = name AND i.indisvalid)
            UNION ALL
            SELECT 'the function ' || name || ' is missing' FROM unnest($2) AS name WHERE NOT EXISTS (
                SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $3 AND p.proname = name)
            """, cancellationToken, Of<string[]>([.. s_indexes, .. isDistributed ? s_indexesOfMany : s_indexesOfOneMachine]),
            Of<string[]>([.. s_functions, .. isDistributed ? s_functionsOfMany : s_functionsOfOneMachine]), Of(schema));
        if (isDistributed) await CheckBucketsAsync(cancellationToken);
        await CheckAsync("every row has its device", $"""
            SELECT count(*) || ' messages of no device: ' || user_id || ' ' || device_id
            FROM to_device_message m LEFT JOIN to_device_device d USING ({by}user_id, device_id)
            WHERE d.last_sequence IS NULL GROUP BY {by}user_id, device_id
            """, cancellationToken);
        await CheckAsync("removed devices are gone", $"""
            SELECT d.user_id || ' ' || d.device_id || ' was removed and has no time of that, or a number of the future'
            FROM to_device_device d {(isDistributed ? "LEFT JOIN to_device_removals r USING (bucket)" : "CROSS JOIN to_device_removals r")}
            WHERE d.removal > 0 AND (d.removed_at IS NULL OR d.removal > coalesce(r.last, 0))
            """, cancellationToken);
        await CheckAsync("sequence numbers are given once, without gaps", $"""
            SELECT user_id || ' ' || device_id || ' has ' || count(*) || ' messages from ' || min(sequence) || ' to ' || max(sequence)
            FROM to_device_message GROUP BY {by}user_id, device_id
            HAVING count(*) <> max(sequence) - min(sequence) + 1 OR count(DISTINCT sequence) <> count(*) OR min(sequence) < 1
            """, cancellationToken);
        await CheckAsync("the newest message is the one that was counted last", $"""
            SELECT user_id || ' ' || device_id || ' counts ' || d.last_sequence || ', and its newest message is ' || max(m.sequence)
            FROM to_device_device d JOIN to_device_message m USING ({by}user_id, device_id) GROUP BY {by}user_id, device_id, d.last_sequence
            HAVING max(m.sequence) <> d.last_sequence
            """, cancellationToken);
        await CheckAsync("what was deleted does not come back", $"""
            SELECT user_id || ' ' || device_id || ' has message ' || min(m.sequence) || ', and ' || d.acknowledged || ' was deleted'
            FROM to_device_device d JOIN to_device_message m USING ({by}user_id, device_id) GROUP BY {by}user_id, device_id, d.acknowledged
            HAVING min(m.sequence) <= d.acknowledged
            """, cancellationToken);
        await CheckAsync("nothing is acknowledged that never was", """
            SELECT user_id || ' ' || device_id || ' has acknowledged ' || acknowledged || ' of ' || last_sequence FROM to_device_device
            WHERE acknowledged > last_sequence OR acknowledged < 0
            """, cancellationToken);
        await CheckAsync("transaction records have keys and times that can be", $"""
            SELECT count(*) || ' records of ' || user_id || ' ' || device_id || ' are from the future' FROM to_device_transaction
            WHERE last_used > $1 GROUP BY {by}user_id, device_id
            """, cancellationToken, Of(soon));
        await CheckAsync("messages and EDUs have times that can be", $"""
            SELECT count(*) || ' messages of ' || user_id || ' ' || device_id || ' are from the future' FROM to_device_message
            WHERE committed_at > $1 GROUP BY {by}user_id, device_id
            """, cancellationToken, Of(soon));
        await FindAsync($"""
            SELECT count(*) || ' EDUs for ' || destination || ' are from the future' FROM to_device_edu WHERE committed_at > $1 GROUP BY {by}destination
            """, cancellationToken, Of(soon));
        await CheckAsync("destinations that have mail are looked at", $"""
            SELECT count(*) || ' EDUs for ' || destination || ' that nobody would send'
            FROM to_device_edu e LEFT JOIN to_device_lease l USING ({by}destination)
            WHERE l.is_waiting IS NOT TRUE OR e.position <= l.removed_up_to GROUP BY {by}destination
            """, cancellationToken);
        await CheckAsync("nothing is kept of a destination for which nothing waits", $"""
            SELECT destination || ' has a lease and no EDUs' FROM to_device_lease l LEFT JOIN to_device_edu e USING ({by}destination)
            WHERE l.holder IS NULL AND e.position IS NULL
            """, cancellationToken);
        await CheckAsync("positions of EDUs are counted", $"""
            SELECT 'EDU ' || max(e.position) || ' for ' || destination || ' is ahead of the counter, ' || coalesce(max(d.last_position)::text, 'which is missing')
            FROM to_device_edu e LEFT JOIN to_device_destination d USING ({by}destination) GROUP BY {by}destination
            HAVING max(e.position) > coalesce(max(d.last_position), 0) OR min(e.position) < 1
            """, cancellationToken);
        await CheckContentsAsync(
            "contents of messages are JSON", "SELECT user_id || ' ' || device_id || ' ' || sequence, content FROM to_device_message", cancellationToken);
        await CheckContentsAsync("contents of EDUs are JSON", "SELECT destination || ' ' || position, content FROM to_device_edu", cancellationToken);
    }

    private async Task CheckAsync(string promise, string sql, CancellationToken cancellationToken, params NpgsqlParameter[] parameters)
    {
        findings.Begin(promise);
        await FindAsync(sql, cancellationToken, parameters);
    }

    /// <summary>The same check goes on.</summary>
    private async Task FindAsync(string sql, CancellationToken cancellationToken, params NpgsqlParameter[] parameters)
    {
        await foreach (var row in queries.RowsAsync(sql, cancellationToken, parameters)) findings.Add(PostgreSqlText.Unescape(row.GetString(0)));
    }

    /// <summary>Where a row is not in the bucket where everybody looks for it, it is lost to all.</summary>
    private async Task CheckBucketsAsync(CancellationToken cancellationToken)
    {
        findings.Begin("every row is in its owner's bucket");
        foreach (var (table, column, owner) in s_owners)
        {
            await foreach (var row in queries.RowsAsync(
                $"SELECT {column}, {owner}, count(*) FROM to_device_{table} GROUP BY {column}, {owner}", cancellationToken))
            {
                var (bucket, name) = (row.GetInt32(0), row.GetString(1));
                if (bucket == (owner == "destination" ? Buckets.OfDestination(name) : Buckets.Of(name))) continue;
                findings.Add(PostgreSqlText.Unescape(FormattableString.Invariant($"{row.GetInt64(2)} rows of to_device_{table} for {name} are in bucket {bucket}")));
            }
        }
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
