using System.Diagnostics;
using System.Globalization;
using Matrix.ToDevice.Tests;
using Npgsql;

namespace Matrix.ToDevice.Bench;

/// <summary>A long queue for one server, sent in transactions of 100: whether the last are as quick as the first.</summary>
internal static class OutboxDrain
{
    private const int PerTransaction = 100, Parts = 10;
    private const string Destination = "hs2.example.org";
    private static readonly TimeSpan s_hour = TimeSpan.FromHours(1);

    public static async Task RunAsync(int edus)
    {
        using var cluster = PostgreSqlCluster.Start();
        // Nothing tidies up: what is flat now is flat with a vacuum too.
        cluster.Execute("ALTER SYSTEM SET autovacuum = off");
        cluster.Execute("ALTER SYSTEM SET max_wal_size = '4GB'");
        cluster.Execute("ALTER SYSTEM SET shared_buffers = '1GB'");
        cluster.StopServer("fast");
        cluster.StartServer();

        Figures.Print("{0:N0} EDUs of 300 bytes to one server, without a vacuum. In a tenth of them: EDUs/s, and the server's CPU for each.\n", edus);
        Figures.Print("| snapshot held | first tenth | middle | last | first, CPU µs | middle | last |");
        Figures.Print("|---|---|---|---|---|---|---|");
        // Until then, the time goes into compiling what runs.
        await MeasureAsync(cluster, 10_000, isHeld: false);
        foreach (var isHeld in (bool[])[false, true])
        {
            var parts = await MeasureAsync(cluster, edus, isHeld);
            var (first, middle, last) = (parts[0], parts[Parts / 2], parts[^1]);
            Figures.Print(
                "| {0} | {1:N0} | {2:N0} | {3:N0} | {4:F0} | {5:F0} | {6:F0} |",
                isHeld ? "yes" : "no", first.PerSecond, middle.PerSecond, last.PerSecond, first.Microseconds, middle.Microseconds, last.Microseconds);
        }
    }

    private static async Task<List<(double PerSecond, double Microseconds)>> MeasureAsync(PostgreSqlCluster cluster, int edus, bool isHeld)
    {
        cluster.Execute("DROP SCHEMA IF EXISTS to_device CASCADE");
        var services = new ServiceCollection();
        services.AddSendToDevice().UsePostgreSql(cluster.ConnectionString);
        await StoreLoad.CreateTablesAsync(services);
        Fill(cluster, edus);
        await using var holder = await HoldAsync(cluster, isHeld);
        await using var provider = services.BuildServiceProvider();
        return await DrainAsync(cluster, provider.GetRequiredService<IFederationOutbox>(), edus);
    }

    /// <summary>Reads, notes and removes as a sender does.</summary>
    private static async Task<List<(double PerSecond, double Microseconds)>> DrainAsync(PostgreSqlCluster cluster, IFederationOutbox outbox, int edus)
    {
        if ((await outbox.AcquireAsync("holder", s_hour, 1)).Count != 1) throw new InvalidOperationException("It was not free.");
        List<(double, double)> parts = [];
        for (var part = 0; part < Parts; part++)
        {
            var (start, before) = (Stopwatch.GetTimestamp(), Cpu(cluster));
            for (var sent = 0; sent < edus / Parts; sent += PerTransaction)
            {
                var waiting = await outbox.ReadAsync(Destination, PerTransaction);
                if (waiting.Count != PerTransaction) throw new InvalidOperationException($"{waiting.Count} were waiting.");
                await outbox.RenewAsync(Destination, "holder", s_hour, waiting[^1].Position, default);
                await outbox.RemoveAsync(Destination, waiting, default);
            }

            parts.Add((edus / Parts / Stopwatch.GetElapsedTime(start).TotalSeconds, (Cpu(cluster) - before).TotalMicroseconds / (edus / Parts)));
        }

        return parts;
    }

    /// <summary>What the server's processes for its clients have used: other programs take time, and not this.</summary>
    private static TimeSpan Cpu(PostgreSqlCluster cluster)
    {
        var processes = (string)cluster.Query(
            "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")!;
        return processes.Split(' ').Aggregate(TimeSpan.Zero, (sum, id) => sum + Process.GetProcessById(int.Parse(id, null)).TotalProcessorTime);
    }

    private static void Fill(PostgreSqlCluster cluster, int edus)
    {
        using var dataSource = NpgsqlDataSource.Create($"{cluster.ConnectionString};Command Timeout=0");
        foreach (var sql in (string[])[
            string.Create(CultureInfo.InvariantCulture, $"""
                INSERT INTO to_device.to_device_destination (destination, last_position) VALUES ('{Destination}', {edus});
                INSERT INTO to_device.to_device_lease (destination, is_waiting, taken_until) VALUES ('{Destination}', true, now());
                INSERT INTO to_device.to_device_edu (destination, position, message_id, content, committed_at)
                SELECT '{Destination}', n, md5(n::text), decode(repeat(md5(n::text), 19), 'hex'), now() FROM generate_series(1, {edus}) n
                """),
            "VACUUM ANALYZE", "CHECKPOINT",
        ])
        {
            using var command = dataSource.CreateCommand(sql);
            command.ExecuteNonQuery();
        }
    }

    /// <summary>A look at the database that takes its time, as that of a backup.</summary>
    private static async Task<NpgsqlConnection> HoldAsync(PostgreSqlCluster cluster, bool isHeld)
    {
        var connection = new NpgsqlConnection($"{cluster.ConnectionString};Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(isHeld ? "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1" : "SELECT 1", connection);
        await command.ExecuteNonQueryAsync();
        return connection;
    }
}
