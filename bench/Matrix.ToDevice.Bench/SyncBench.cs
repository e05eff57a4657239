using System.Diagnostics;
using Matrix.ToDevice.Tests;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace Matrix.ToDevice.Bench;

/// <summary>What a sync costs when the table of messages is small, large and very large.</summary>
internal static class SyncBench
{
    private const int PerDevice = 200, Samples = 300;
    private static readonly int[] s_rows = [20_000, 1_000_000, 10_000_000];

    public static async Task RunOnSqliteAsync()
    {
        PrintHead();
        foreach (var rows in s_rows)
        {
            using var folder = new TemporaryFolder();
            var path = folder.File("sync.db");
            await MeasureAsync(rows, toDevice => toDevice.UseSqlite($"Data Source={path}"), () => Fill(path, rows));
        }
    }

    public static async Task RunOnPostgreSqlAsync()
    {
        using var cluster = PostgreSqlCluster.Start();
        PrintHead();
        foreach (var rows in s_rows)
        {
            cluster.Execute("DROP SCHEMA IF EXISTS to_device CASCADE");
            await MeasureAsync(rows, toDevice => toDevice.UsePostgreSql(cluster.ConnectionString), () =>
            {
                Query(cluster, Rows(rows));
                // As autovacuum leaves it: otherwise, the first one to read a row has to tidy up.
                Query(cluster, "VACUUM ANALYZE to_device.to_device_message");
                Query(cluster, "CHECKPOINT");
            });
        }

        Figures.Print("\nThe plans, at the last of these sizes:");
        foreach (var statement in (string[])[
            "SELECT sequence, send_id, sender, event_type, CASE WHEN octet_length(content) <= 10381 THEN content END FROM to_device.to_device_message "
                + "WHERE user_id = '@user7:example.org' AND device_id = 'ABCDEFGHIJ' AND sequence > greatest(0, (SELECT acknowledged FROM to_device.to_device_device "
                + "WHERE user_id = '@user7:example.org' AND device_id = 'ABCDEFGHIJ')) ORDER BY sequence LIMIT 101",
            "DELETE FROM to_device.to_device_message WHERE user_id = '@user7:example.org' AND device_id = 'ABCDEFGHIJ' "
                + "AND sequence > 0 AND sequence <= 100",
        ])
        {
            Figures.Print("{0}", statement);
            foreach (var line in Query(cluster, $"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF) {statement}")) Figures.Print("  {0}", line);
        }
    }

    private static void PrintHead()
    {
        Figures.Print("\nMedians of {0}, in microseconds, 300-byte contents, {1} messages for each device.\n", Samples, PerDevice);
        Figures.Print("| messages in the table | page of 100 | acknowledge 100 | empty sync |");
        Figures.Print("|---|---|---|---|");
    }

    private static async Task MeasureAsync(int rows, Func<ISendToDeviceBuilder, ISendToDeviceBuilder> useStore, Action fill)
    {
        var services = new ServiceCollection();
        useStore(services.AddSendToDevice());
        await StoreLoad.CreateTablesAsync(services);
        fill();

        await using var provider = services.BuildServiceProvider();
        var toDevice = provider.GetRequiredService<ToDeviceSync>();
        var devices = rows / PerDevice;
        List<double> pages = [], acknowledgements = [], empty = [];
        for (var sample = 0; sample < Math.Min(Samples, devices); sample++)
        {
            var device = new DeviceAddress(Body.UserId((sample * 7919) % devices), Body.DeviceId);
            var first = await TimeAsync(pages, device, null);
            // Acknowledges 100 and reads 100.
            var second = await TimeAsync(acknowledgements, device, first);
            await toDevice.NextAsync(device, second, TimeSpan.Zero, default);
            await TimeAsync(empty, device, second);
        }

        Figures.Print("| {0:N0} | {1:N0} | {2:N0} | {3:N0} |", rows, Median(pages), Median(acknowledgements) - Median(pages), Median(empty));

        async Task<string> TimeAsync(List<double> times, DeviceAddress device, string? since)
        {
            var start = Stopwatch.GetTimestamp();
            using var batch = await toDevice.NextAsync(device, since, TimeSpan.Zero, default);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
            return batch.NextBatch;
        }
    }

    private static List<string> Query(PostgreSqlCluster cluster, string sql)
    {
        using var dataSource = NpgsqlDataSource.Create($"{cluster.ConnectionString};Command Timeout=0");
        using var command = dataSource.CreateCommand(sql);
        using var reader = command.ExecuteReader();
        var lines = new List<string>();
        while (reader.Read()) lines.Add(reader.GetString(0));
        return lines;
    }

    private static double Median(List<double> times) => times.Order().ElementAt(times.Count / 2);

    /// <summary>As if everybody had got a message in turn.</summary>
    private static string Rows(int rows) => $"""
        INSERT INTO to_device.to_device_device (user_id, device_id, last_sequence)
        SELECT '@user' || i || ':example.org', '{Body.DeviceId}', {PerDevice} FROM generate_series(0, {rows / PerDevice - 1}) i;
        INSERT INTO to_device.to_device_message (user_id, device_id, sequence, send_id, sender, event_type, content)
        SELECT '@user' || i % {rows / PerDevice} || ':example.org', '{Body.DeviceId}', i / {rows / PerDevice} + 1, i,
               '@sender:example.org', 'm.room.encrypted', decode(repeat(md5(i::text), 19), 'hex')
        FROM generate_series(0, {rows - 1}) i;
        """;

    /// <summary>As if everybody had got a message in turn.</summary>
    private static void Fill(string path, int rows)
    {
        using var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = $"""
            PRAGMA synchronous = OFF;
            WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {rows / PerDevice})
            INSERT INTO to_device_device (id, user_id, device_id) SELECT i + 1, '@user' || i || ':example.org', '{Body.DeviceId}' FROM n;
            WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {rows})
            INSERT INTO to_device_message (device, sequence, send_id, sender, event_type, content)
            SELECT i % {rows / PerDevice} + 1, i / {rows / PerDevice} + 1, i, '@sender:example.org', 'm.room.encrypted', randomblob(300) FROM n;
            PRAGMA wal_checkpoint(TRUNCATE);
            """;
        command.CommandTimeout = 0;
        command.ExecuteNonQuery();
    }
}
