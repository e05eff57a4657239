using System.Globalization;
using Microsoft.Data.Sqlite;
using static Matrix.ToDevice.Tool.SqliteQueries;

namespace Matrix.ToDevice.Tool;

/// <summary>Whatever of a SQLite store can be checked at rest.</summary>
internal sealed class SqliteVerification(SqliteConnection connection, Findings findings, IProgress<long> progress, CancellationToken cancellationToken)
{
    private static readonly string[] s_objects =
    [
        "to_device_acknowledged", "to_device_device", "to_device_edu", "to_device_edu_by_destination", "to_device_lease", "to_device_lease_by_time",
        "to_device_lease_of_failing_by_time", "to_device_message", "to_device_message_by_device", "to_device_recent_transaction", "to_device_removed",
        "to_device_transaction", "to_device_transaction_by_age", "to_device_transaction_of_edus_by_age", "to_device_upkeep",
    ];

    private readonly long _soon = TimeProvider.System.GetUtcNow().Add(Verification.ClockTolerance).ToUnixTimeMilliseconds();

    public void Run()
    {
        findings.Begin("the file is whole");
        try
        {
            foreach (var row in Rows(connection, "PRAGMA integrity_check(20)"))
                if (Text(row, 0) is not "ok" and var trouble) findings.Add(trouble);
            if (findings.Count > 0) return;
            CheckRows();
        }
        catch (SqliteException exception) when (exception.SqliteErrorCode is SQLitePCL.raw.SQLITE_CORRUPT or SQLitePCL.raw.SQLITE_NOTADB)
        {
            findings.Add(exception.Message);
        }
    }

    private void CheckRows()
    {
        Check("tables and indexes are there", $"""
            SELECT value || ' is missing' FROM json_each('["{string.Join("\",\"", s_objects)}"]') WHERE NOT EXISTS (SELECT 1 FROM sqlite_master WHERE name = value)
            """);
        Check("every row has its device", """
            SELECT count(*) || ' messages of no device, with the ID ' || device FROM to_device_message m
            WHERE NOT EXISTS (SELECT 1 FROM to_device_device d WHERE d.id = m.device) AND NOT EXISTS (SELECT 1 FROM to_device_removed r WHERE r.device = m.device)
            GROUP BY device
            UNION ALL
            SELECT count(*) || ' transaction records of no device, with the ID ' || device
            FROM (SELECT device FROM to_device_transaction UNION ALL SELECT device FROM to_device_recent_transaction) t
            WHERE device > 0 AND NOT EXISTS (SELECT 1 FROM to_device_device d WHERE d.id = t.device)
                AND NOT EXISTS (SELECT 1 FROM to_device_removed r WHERE r.device = t.device)
            GROUP BY device
            UNION ALL
            SELECT 'an acknowledgement of no device, with the ID ' || device FROM to_device_acknowledged a
            WHERE NOT EXISTS (SELECT 1 FROM to_device_device d WHERE d.id = a.device)
            """);
        Check("removed devices are gone", """
            SELECT d.user_id || ' ' || d.device_id || ' is removed and there' FROM to_device_removed r JOIN to_device_device d ON d.id = r.device
            """);
        Check("sequence numbers are given once, without gaps", """
            SELECT d.user_id || ' ' || d.device_id || ' has ' || count(*) || ' messages from ' || min(m.sequence) || ' to ' || max(m.sequence)
            FROM to_device_message m NOT INDEXED JOIN to_device_device d ON d.id = m.device GROUP BY d.id
            HAVING count(*) <> max(m.sequence) - min(m.sequence) + 1 OR count(DISTINCT m.sequence) <> count(*) OR min(m.sequence) < 1
            """);
        Check("what was deleted does not come back", """
            SELECT d.user_id || ' ' || d.device_id || ' has message ' || min(m.sequence) || ', and ' || d.last_sequence || ' was deleted'
            FROM to_device_device d JOIN to_device_message m ON m.device = d.id WHERE m.sequence <= d.last_sequence GROUP BY d.id
            """);
        Check("nothing is acknowledged that never was", """
            SELECT d.user_id || ' ' || d.device_id || ' has acknowledged ' || a.up_to || ', and its newest message is ' || max(m.sequence)
            FROM to_device_acknowledged a JOIN to_device_device d ON d.id = a.device JOIN to_device_message m ON m.device = d.id
            GROUP BY d.id HAVING max(m.sequence) < a.up_to
            """);
        Check("transaction records have keys and times that can be", $"""
            SELECT count(*) || ' records of the device with the ID ' || device || ' have ' || CASE WHEN odd THEN 'no key of 16 bytes' ELSE 'a time in the future, or none' END
            FROM (SELECT device, typeof(key) <> 'blob' OR length(key) <> 16 AS odd, last_used FROM to_device_transaction
                  UNION ALL SELECT device, typeof(key) <> 'blob' OR length(key) <> 16, last_used FROM to_device_recent_transaction)
            WHERE odd OR last_used > {Number(_soon)} OR last_used < 0 GROUP BY device, odd
            UNION ALL
            SELECT count(*) || ' records have ' || device || ' in the place of a device'
            FROM (SELECT device FROM to_device_transaction UNION ALL SELECT device FROM to_device_recent_transaction) WHERE device < -1 GROUP BY device
            """);
        Check("transaction records stand once", """
            SELECT count(*) || ' records of the device with the ID ' || r.device || ' stand twice' FROM to_device_recent_transaction r
            WHERE EXISTS (SELECT 1 FROM to_device_transaction t WHERE t.device = r.device AND t.key = r.key)
                OR EXISTS (SELECT 1 FROM to_device_recent_transaction o WHERE o.device = r.device AND o.key = r.key AND o.id <> r.id)
            GROUP BY r.device
            """);
        Check("messages and EDUs have times that can be", $"""
            SELECT count(*) || ' messages of ' || d.user_id || ' ' || d.device_id || ' are from the future' FROM to_device_message m
            JOIN to_device_device d ON d.id = m.device WHERE m.committed_at > {Number(_soon)} GROUP BY d.id
            UNION ALL
            SELECT count(*) || ' EDUs for ' || destination || ' are from the future' FROM to_device_edu WHERE committed_at > {Number(_soon)} GROUP BY destination
            """);
        Check("destinations that have mail are looked at", """
            SELECT count(*) || ' EDUs for ' || destination || ' that nobody would send' FROM to_device_edu e
            WHERE NOT EXISTS (SELECT 1 FROM to_device_lease l WHERE l.destination = e.destination) GROUP BY destination
            """);
        Check("nothing is kept of a destination for which nothing waits", """
            SELECT destination || ' has a lease and no EDUs' FROM to_device_lease l
            WHERE holder IS NULL AND NOT EXISTS (SELECT 1 FROM to_device_edu e WHERE e.destination = l.destination)
            """);
        Check("positions of EDUs are counted", """
            SELECT 'EDU ' || max(position) || ' is ahead of the counter, ' || coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'to_device_edu'), 0)
            FROM to_device_edu HAVING max(position) > coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'to_device_edu'), 0) OR min(position) < 1
            """);
        CheckContents("contents of messages are JSON", "SELECT d.user_id || ' ' || d.device_id || ' ' || m.sequence, m.content FROM to_device_message m JOIN to_device_device d ON d.id = m.device");
        CheckContents("contents of EDUs are JSON", "SELECT destination || ' ' || position, content FROM to_device_edu");
    }

    private void Check(string promise, string sql)
    {
        cancellationToken.ThrowIfCancellationRequested();
        findings.Begin(promise);
        foreach (var row in Rows(connection, sql)) findings.Add(Text(row, 0));
    }

    private void CheckContents(string promise, string sql)
    {
        findings.Begin(promise);
        var looked = 0L;
        foreach (var row in Rows(connection, sql))
        {
            if (!Verification.IsJson(row.GetFieldValue<byte[]>(1))) findings.Add(Text(row, 0));
            if (++looked % 1024 != 0) continue;
            cancellationToken.ThrowIfCancellationRequested();
            progress.Report(looked);
        }
    }

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}
