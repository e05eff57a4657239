using Npgsql;
using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>Counts what waits. In portions, each of them a look of its own: an old snapshot keeps a vacuum from its work.</summary>
internal sealed class PostgreSqlMeasures(PostgreSqlDatabase database, PostgreSqlStoreOptions options) : IMeasures
{
    private const long DevicesAtOnce = 10_000;

    private readonly string _inboxes = $"SELECT * FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_measure_inboxes($1, $2, $3)";
    private readonly string _outbox = $"SELECT * FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_measure_outbox()";
    private readonly string _these = $"SELECT * FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_measure($1, $2, $3, $4)";

    /// <inheritdoc cref="IStoreUpkeep.MeasureAsync(CancellationToken)"/>
    public async ValueTask<StoreStatistics> MeasureAsync(CancellationToken cancellationToken)
    {
        var found = await database.RunAsync(MeasureOutboxAsync, cancellationToken);
        for (DeviceAddress? after = new("", ""); after is { } last;)
        {
            var before = found;
            (after, found) = await database.RunAsync((connection, cancellation) => AddInboxesAsync(connection, last, before, cancellation), cancellationToken);
        }

        return found;
    }

    /// <inheritdoc cref="IStoreUpkeep.MeasureAsync(IReadOnlyList{DeviceAddress}, InboxSize, CancellationToken)"/>
    public ValueTask<IReadOnlyList<InboxSize>> MeasureAsync(
        IReadOnlyList<DeviceAddress> devices, InboxSize upTo, CancellationToken cancellationToken) =>
        database.RunAsync<IReadOnlyList<InboxSize>>(async (connection, cancellation) =>
        {
            await using var command = new NpgsqlCommand(_these, connection);
            CommitArrays.Add(command.Parameters, NpgsqlDbType.Text, [.. devices.Select(device => PostgreSqlText.Key(device.UserId))]);
            CommitArrays.Add(command.Parameters, NpgsqlDbType.Text, [.. devices.Select(device => PostgreSqlText.Key(device.DeviceId))]);
            // Where there are messages enough, the function leaves out the lengths: there are always enough when nobody wants to know them.
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = upTo.Bytes == 0 ? 0 : upTo.Messages });
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = upTo.Bytes });
            await database.PrepareAsync(command, cancellation);
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            var sizes = new List<InboxSize>(devices.Count);
            while (await reader.ReadAsync(cancellation)) sizes.Add(new InboxSize(reader.GetInt64(0), reader.GetInt64(1)));
            return sizes;
        }, cancellationToken);

    private async ValueTask<StoreStatistics> MeasureOutboxAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var found = new StoreStatistics(0, 0, 0, null, default, default);
        await using var command = new NpgsqlCommand(_outbox, connection);
        await database.PrepareAsync(command, cancellationToken);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var waiting = new OutboxStatistics(reader.GetInt64(1), reader.GetInt64(2), reader.GetFieldValue<DateTimeOffset>(3));
            found = reader.GetBoolean(0) ? found with { Failing = waiting } : found with { Working = waiting };
        }

        return found;
    }

    /// <summary>Adds a portion of the inboxes to what has been found, and tells which was the last; null behind the end.</summary>
    private async ValueTask<(DeviceAddress? Last, StoreStatistics Found)> AddInboxesAsync(
        NpgsqlConnection connection, DeviceAddress after, StoreStatistics found, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(_inboxes, connection)
        {
            Parameters =
            {
                new NpgsqlParameter<string> { TypedValue = after.UserId },
                new NpgsqlParameter<string> { TypedValue = after.DeviceId },
                new NpgsqlParameter<long> { TypedValue = DevicesAtOnce },
            },
        };
        await database.PrepareAsync(command, cancellationToken);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken)) return (null, found);

        var oldest = reader.IsDBNull(5) ? (DateTimeOffset?)null : reader.GetFieldValue<DateTimeOffset>(5);
        return (new DeviceAddress(reader.GetString(0), reader.GetString(1)), found with
        {
            Inboxes = found.Inboxes + reader.GetInt64(2),
            Messages = found.Messages + reader.GetInt64(3),
            LargestInbox = Math.Max(found.LargestInbox, reader.GetInt64(4)),
            OldestMessage = found.OldestMessage < oldest || oldest is null ? found.OldestMessage : oldest,
        });
    }
}
