using System.Collections.Concurrent;
using System.Text;
using Npgsql;
using NpgsqlTypes;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// A host of version 2, 3 or 4, as far as the database sees it: its statements, prepared, on several connections at once, each again and
/// again. None of them may fail.
/// </summary>
internal sealed class OldHost(string connectionString, int version) : IAsyncDisposable
{
    private const int Senders = 4;

    private readonly NpgsqlDataSource _dataSource = NpgsqlDataSource.Create(connectionString);
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _sent = new(0);
    private List<Task> _running = [];

    /// <summary>The contents that were accepted, for a device each.</summary>
    public ConcurrentQueue<(string DeviceId, string Content)> Accepted { get; } = new();

    /// <summary>What was read and then acknowledged.</summary>
    public ConcurrentQueue<(string DeviceId, string Content)> Delivered { get; } = new();

    public ConcurrentQueue<string> AcceptedEdus { get; } = new();
    public ConcurrentQueue<string> DeliveredEdus { get; } = new();

    public void Start(IReadOnlyList<string> devices, IReadOnlyList<string> ownDevices) => _running =
    [
        .. Enumerable.Range(0, Senders).Select(sender => RepeatAsync(n => SendAsync(sender, n, devices))),
        .. ownDevices.Select(device => RepeatAsync(_ => DrainAsync(device))),
        RepeatAsync(_ => SendEdusAsync()), RepeatAsync(n => RemoveAsync($"other{n % 10}")), RepeatAsync(_ => LookUpAsync()),
    ];

    /// <summary>Waits for some more sends to be accepted.</summary>
    public async Task AcceptsAsync(int count)
    {
        for (var i = 0; i < count; i++) Assert.That(await _sent.WaitAsync(TimeSpan.FromSeconds(60)), Is.True, "the old host goes on");
    }

    /// <summary>Stops, and takes what is left.</summary>
    public async Task StopAsync(IReadOnlyList<string> devices)
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_running);
        foreach (var device in devices) await DrainAsync(device);
        while (await SendEdusAsync() > 0)
        {
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _dataSource.DisposeAsync();
        _sent.Dispose();
        _stop.Dispose();
    }

    private Task RepeatAsync(Func<int, Task> work) => Task.Run(async () =>
    {
        for (var n = 0; !_stop.IsCancellationRequested; n++) await work(n);
    });

    private async Task SendAsync(int sender, int n, IReadOnlyList<string> devices)
    {
        var recipients = new[] { devices[n % devices.Count], devices[(n + sender + 1) % devices.Count] }.Distinct().Order(StringComparer.Ordinal).ToArray();
        var (content, destination) = ($"old {sender}:{n}", $"hs{n % 5 + 2}");
        string[] users = ["@alice:hs1", .. recipients.Select(_ => "@bob:hs1")], locked = [$"Old{sender}", .. recipients];
        NpgsqlParameter[] parameters = version == 4
            ? [
                Now(), Of(users), Of(locked), Of([0L, .. recipients.Select(_ => 1L)]), Of(users.Select(_ => long.MaxValue)),
                Of([1]), Of([Guid.NewGuid()]), Of([1L]), Of([(long)n]), Of(["@alice:hs1"]), Of(["m.test"]),
                Of(recipients.Select(_ => 1)), Of(recipients.Select((_, i) => i + 2)), Of(recipients.Select(_ => 0)),
                Of(recipients.Select((_, i) => 1 + i * content.Length)), Of(recipients.Select(_ => content.Length)),
                new NpgsqlParameter<byte[]> { TypedValue = Encoding.UTF8.GetBytes(string.Concat(recipients.Select(_ => content))) },
                Of([destination]), Of([1L]), Of([1]), Of([0]), Of([content]), Of([Encoding.UTF8.GetBytes("{}")]),
            ]
            : [
                .. version == 2 ? [Of(long.MaxValue), Now()] : (NpgsqlParameter[])[Now()],
                Of(users), Of(locked), Of([0L, .. recipients.Select(_ => 1L)]), .. version == 2 ? [] : (NpgsqlParameter[])[Of(users.Select(_ => long.MaxValue))],
                Of(["@alice:hs1"]), Of([$"Old{sender}"]), Of([Guid.NewGuid()]), Of([1L]),
                Of(recipients.Select((_, i) => i + 2)), Of(recipients.Select(_ => 0)), Of(recipients.Select(_ => "@bob:hs1")), Of(recipients),
                Of(recipients.Select(_ => (long)n)), Of(recipients.Select(_ => "@alice:hs1")), Of(recipients.Select(_ => "m.test")),
                Of(recipients.Select(_ => Encoding.UTF8.GetBytes(content))),
                Of([destination]), Of([1L]), Of([1]), Of([0]), Of([destination]), Of([content]), Of([Encoding.UTF8.GetBytes("{}")]),
            ];
        var committed = await ScalarAsync($"SELECT to_device.to_device_commit({string.Join(", ", parameters.Select((_, p) => $"${p + 1}"))})", parameters);
        Assert.That(committed, Is.True);
        foreach (var device in recipients) Accepted.Enqueue((device, content));
        AcceptedEdus.Enqueue(content);
        _sent.Release();
    }

    private async Task DrainAsync(string device)
    {
        var page = await RowsAsync(
            """
            SELECT sequence, send_id, convert_from(content, 'UTF8') FROM to_device.to_device_message
            WHERE user_id = $1 AND device_id = $2 AND sequence > $3 ORDER BY sequence LIMIT $4
            """, row => (Sequence: row.GetInt64(0), SendId: row.GetInt64(1), Content: row.GetString(2)), Of("@bob:hs1"), Of(device), Of(0L), Of(101L));
        if (page.Count == 0) return;
        var deleted = await ScalarAsync(version switch
        {
            4 => "SELECT to_device.to_device_acknowledge($1, $2, $3, $4, 1000)",
            3 => "SELECT to_device.to_device_acknowledge($1, $2, $3, $4)",
            _ => """
            WITH gone AS (
                DELETE FROM to_device.to_device_message WHERE user_id = $1 AND device_id = $2 AND sequence <= $3 AND EXISTS (
                    SELECT FROM to_device.to_device_message WHERE user_id = $1 AND device_id = $2 AND sequence = $3 AND send_id = $4) RETURNING 1)
            SELECT count(*) FROM gone
            """,
        }, Of("@bob:hs1"), Of(device), Of(page[^1].Sequence), Of(page[^1].SendId));
        Assert.That(deleted, Is.EqualTo(page.Count));
        foreach (var (_, _, content) in page) Delivered.Enqueue((device, content));
        await DrainAsync(device);
    }

    private async Task<int> SendEdusAsync()
    {
        var leases = await RowsAsync(
            """
            WITH free AS MATERIALIZED (
                SELECT l.destination, l.taken_until FROM to_device.to_device_lease l
                WHERE l.is_waiting AND l.taken_until <= (SELECT clock_timestamp())
                    AND EXISTS (SELECT FROM to_device.to_device_edu e WHERE e.destination = l.destination)
                ORDER BY l.taken_until LIMIT $3 FOR UPDATE OF l SKIP LOCKED),
            taken AS (
                UPDATE to_device.to_device_lease l SET holder = $1, taken_until = clock_timestamp() + $2
                WHERE l.destination = ANY (ARRAY (SELECT free.destination FROM free))
                RETURNING l.destination, l.sending_up_to, l.failures)
            SELECT taken.destination FROM taken JOIN free USING (destination) ORDER BY free.taken_until
            """, row => row.GetString(0), Of("old"), Of(TimeSpan.FromHours(1)), Of(2L));
        foreach (var destination in leases)
        {
            var edus = await RowsAsync(
                "SELECT position, message_id FROM to_device.to_device_edu WHERE destination = $1 ORDER BY position LIMIT $2",
                row => (Position: row.GetInt64(0), MessageId: row.GetString(1)), Of(destination), Of(100L));
            if (edus.Count > 0)
            {
                var renewed = await ScalarAsync(
                    "SELECT to_device.to_device_renew($1, $2, $3, $4)", Of(destination), Of("old"), Of(TimeSpan.FromHours(1)), Of(edus[^1].Position));
                Assert.That(renewed, Is.True);
                await ScalarAsync("SELECT to_device.to_device_remove_edus($1, $2)", Of(destination), Of(edus[^1].Position));
                foreach (var (_, messageId) in edus) DeliveredEdus.Enqueue(messageId);
            }

            await ScalarAsync(
                "UPDATE to_device.to_device_lease SET holder = NULL, failures = $3, taken_until = clock_timestamp() + $4 WHERE destination = $1 AND holder = $2",
                Of(destination), Of("old"), Of(0), Of(TimeSpan.Zero));
        }

        return leases.Count;
    }

    private async Task RemoveAsync(string device) =>
        await ScalarAsync("SELECT to_device.to_device_remove($1, $2, $3)", Of("@bob:hs1"), Of(device), Now());

    private async Task LookUpAsync() => await RowsAsync(
        "SELECT r.last FROM to_device.to_device_removals r LEFT JOIN to_device.to_device_device d ON d.removal > $1 AND d.removal > 0",
        row => row.GetInt64(0), Of(0L));

    private async Task<object?> ScalarAsync(string sql, params NpgsqlParameter[] parameters)
    {
        await using var connection = await _dataSource.OpenConnectionAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        command.Parameters.AddRange(parameters);
        await command.PrepareAsync();
        return await command.ExecuteScalarAsync();
    }

    private async Task<List<T>> RowsAsync<T>(string sql, Func<NpgsqlDataReader, T> read, params NpgsqlParameter[] parameters)
    {
        await using var connection = await _dataSource.OpenConnectionAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        command.Parameters.AddRange(parameters);
        await command.PrepareAsync();
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<T>();
        while (await reader.ReadAsync()) rows.Add(read(reader));
        return rows;
    }

    private static NpgsqlParameter<T> Of<T>(T value) => new() { TypedValue = value };

    private static NpgsqlParameter<T[]> Of<T>(IEnumerable<T> values) => new() { TypedValue = [.. values] };

    private static NpgsqlParameter<string> Of(string value) => new() { TypedValue = value };

    private static NpgsqlParameter<DateTime> Now() =>
        new() { TypedValue = TimeProvider.System.GetUtcNow().UtcDateTime, NpgsqlDbType = NpgsqlDbType.TimestampTz };
}
