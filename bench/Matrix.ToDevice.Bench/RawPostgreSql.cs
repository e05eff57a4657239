using System.Diagnostics;
using Npgsql;
using NpgsqlTypes;

namespace Matrix.ToDevice.Bench;

/// <summary>What a send is compared with.</summary>
internal enum RawPostgreSqlKind
{
    /// <summary>The store's own statement for each request, on a connection for each sender: nothing is batched.</summary>
    OneByOne,

    /// <summary>The same messages in batches of as many requests, on two connections: no order, no record, no removals.</summary>
    PlainBatches,
}

/// <summary>Writes sends with Npgsql alone, with prepared statements.</summary>
internal static class RawPostgreSql
{
    private const int Writers = 2;

    public static async Task<Figures> MeasureAsync(
        NpgsqlDataSource dataSource, Body body, int senders, int requests, RawPostgreSqlKind kind, int recipients)
    {
        var connections = kind == RawPostgreSqlKind.OneByOne ? senders : Writers;
        var batch = kind == RawPostgreSqlKind.OneByOne ? 1 : Math.Min(256, senders / Writers);
        var commands = new List<NpgsqlCommand>();
        for (var i = 0; i < connections; i++)
        {
            var connection = await dataSource.OpenConnectionAsync();
            var command = new NpgsqlCommand(
                kind == RawPostgreSqlKind.OneByOne
                    ? $"SELECT to_device.to_device_commit({string.Join(", ", Enumerable.Range(1, 23).Select(n => $"${n}"))})"
                    : """
                      INSERT INTO to_device.to_device_message (user_id, device_id, sequence, send_id, sender, event_type, content)
                      SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7)
                      """,
                connection);
            commands.Add(command);
        }

        var number = 0;
        await RunAsync(Math.Max(8, 3_000 / body.Targets / connections / batch), []);
        var each = Math.Max(1, requests / connections / batch);
        var latencies = new long[each * connections];
        var start = Stopwatch.GetTimestamp();
        await RunAsync(each, latencies);
        var elapsed = Stopwatch.GetElapsedTime(start);
        foreach (var command in commands) await command.Connection!.DisposeAsync();
        return Figures.Of(latencies, elapsed) with { RequestsPerSecond = each * connections * batch / elapsed.TotalSeconds };

        Task RunAsync(int count, long[] times) => Task.WhenAll(commands.Select((command, sender) => Task.Run(async () =>
        {
            for (var i = 0; i < count; i++)
            {
                var began = Stopwatch.GetTimestamp();
                command.Parameters.Clear();
                var first = Interlocked.Add(ref number, batch);
                if (kind == RawPostgreSqlKind.OneByOne) AddSend(command, body, sender, first, recipients);
                else AddRows(command, body, first, batch, recipients);
                await command.PrepareAsync();
                await command.ExecuteNonQueryAsync();
                if (times.Length > 0) times[sender * count + i] = Stopwatch.GetElapsedTime(began).Ticks;
            }
        })));
    }

    /// <summary>One request as the parameters of the store's function.</summary>
    private static void AddSend(NpgsqlCommand command, Body body, int sender, int number, int recipients)
    {
        var targets = Enumerable.Range(0, body.Targets)
            .Select(i => new DeviceAddress(Body.UserId((number * 7 + i) % recipients), Body.DeviceId)).ToArray();
        var sending = new DeviceAddress("@sender:example.org", $"SENDER{sender}");
        DeviceAddress[] devices = [sending, .. targets.OrderBy(target => target.UserId, StringComparer.Ordinal)];

        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = DateTime.UtcNow, NpgsqlDbType = NpgsqlDbType.TimestampTz });
        Add(command, NpgsqlDbType.Text, devices.Select(device => device.UserId));
        Add(command, NpgsqlDbType.Text, devices.Select(device => device.DeviceId));
        Add(command, NpgsqlDbType.Bigint, devices.Select((_, i) => i == 0 ? 0L : 1L));
        Add(command, NpgsqlDbType.Bigint, devices.Select(_ => long.MaxValue));
        Add(command, NpgsqlDbType.Integer, [1]);
        Add(command, NpgsqlDbType.Uuid, [Guid.NewGuid()]);
        Add(command, NpgsqlDbType.Bigint, [1L]);
        Add(command, NpgsqlDbType.Bigint, [(long)number]);
        Add(command, NpgsqlDbType.Text, [sending.UserId]);
        Add(command, NpgsqlDbType.Text, ["m.room.encrypted"]);
        Add(command, NpgsqlDbType.Integer, targets.Select(_ => 1));
        Add(command, NpgsqlDbType.Integer, targets.Select(target => Array.IndexOf(devices, target) + 1));
        Add(command, NpgsqlDbType.Integer, targets.Select(_ => 0));
        Add(command, NpgsqlDbType.Integer, targets.Select((_, i) => i * body.Content.Length + 1));
        Add(command, NpgsqlDbType.Integer, targets.Select(_ => body.Content.Length));
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = [.. targets.SelectMany(_ => body.Content)], NpgsqlDbType = NpgsqlDbType.Bytea });
        Add(command, NpgsqlDbType.Text, Array.Empty<string>());
        Add(command, NpgsqlDbType.Bigint, Array.Empty<long>());
        Add(command, NpgsqlDbType.Integer, Array.Empty<int>());
        Add(command, NpgsqlDbType.Integer, Array.Empty<int>());
        Add(command, NpgsqlDbType.Text, Array.Empty<string>());
        Add(command, NpgsqlDbType.Bytea, Array.Empty<byte[]>());
    }

    /// <summary>The rows of several requests; their numbers are the client's.</summary>
    private static void AddRows(NpgsqlCommand command, Body body, int first, int requests, int recipients)
    {
        var rows = Enumerable.Range(0, requests).SelectMany(request => Enumerable.Range(0, body.Targets)
            .Select(i => (Recipient: ((first + request) * 7 + i) % recipients, Number: (long)first + request))).ToArray();
        Add(command, NpgsqlDbType.Text, rows.Select(row => Body.UserId(row.Recipient)));
        Add(command, NpgsqlDbType.Text, rows.Select(_ => Body.DeviceId));
        Add(command, NpgsqlDbType.Bigint, rows.Select(row => row.Number));
        Add(command, NpgsqlDbType.Bigint, rows.Select(row => row.Number));
        Add(command, NpgsqlDbType.Text, rows.Select(_ => "@sender:example.org"));
        Add(command, NpgsqlDbType.Text, rows.Select(_ => "m.room.encrypted"));
        Add(command, NpgsqlDbType.Bytea, rows.Select(_ => body.Content));
    }

    private static void Add<T>(NpgsqlCommand command, NpgsqlDbType type, IEnumerable<T> values) =>
        command.Parameters.Add(new NpgsqlParameter<T[]> { TypedValue = [.. values], NpgsqlDbType = NpgsqlDbType.Array | type });
}
