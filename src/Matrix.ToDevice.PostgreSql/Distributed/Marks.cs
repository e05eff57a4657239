using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>
/// Forgets up to where sends of devices were delivered, of those that have sent nothing for long: there are as many marks as pairs of a
/// sending device and a bucket. A portion of each bucket at a time.
/// </summary>
internal sealed class Marks(PostgreSqlDatabase database, PostgreSqlStoreOptions options, Availability availability, TimeProvider time)
{
    private const long AtOnce = 1000;

    // Longer than anybody may have an intent in hand, and by as much as two clocks may differ.
    private static readonly TimeSpan s_idle = TimeSpan.FromDays(1), s_pause = TimeSpan.FromMinutes(15);

    private readonly string _marks = $"""
        SELECT source, user_id, device_id, last FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_delivered
        WHERE bucket = $1 AND (source, user_id, device_id) > ($2, $3, $4) ORDER BY source, user_id, device_id LIMIT $5
        """;

    private readonly string _waiting = Statement.Call(options, "to_device_waiting", 4);
    private readonly string _forget = Statement.Call(options, "to_device_forget_marks", 6);

    private readonly Mark?[] _last = new Mark?[Buckets.Count];

    /// <summary>Looks at the next portion of the marks in a bucket.</summary>
    public async ValueTask ForgetAsync(int bucket, CancellationToken cancellationToken)
    {
        var after = _last[bucket] ?? new Mark(-1, "", "", 0);
        var marks = await availability.TryAsync(bucket, ending => database.ListAsync(
            _marks,
            () => [Statement.Of(bucket), Statement.Of(after.Source), Statement.Of(after.UserId), Statement.Of(after.DeviceId), Statement.Of(AtOnce)],
            row => new Mark(row.GetInt32(0), row.GetString(1), row.GetString(2), row.GetInt64(3)),
            ending), cancellationToken);
        _last[bucket] = marks.Count < AtOnce ? null : marks[^1];

        // The numbers of sends follow the clock.
        var before = (time.GetUtcNow() - s_idle - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
        foreach (var ofSource in marks.Where(mark => mark.Last < before).GroupBy(mark => mark.Source))
        {
            List<Mark> old = [.. ofSource];
            var waits = await availability.TryAsync(ofSource.Key, ending => database.ScalarAsync<bool[]>(
                _waiting, () => [Statement.Of(ofSource.Key), Users(old), Devices(old), Statement.Of(bucket)], ending), cancellationToken);
            old = [.. old.Where((_, i) => !waits[i])];
            await availability.TryAsync(bucket, ending => database.ExecuteAsync(
                _forget,
                () =>
                [
                    Statement.Of(bucket), PortionArrays.Of(NpgsqlDbType.Integer, old.ConvertAll(mark => mark.Source)), Users(old), Devices(old),
                    PortionArrays.Of(NpgsqlDbType.Bigint, old.ConvertAll(mark => mark.Last)), Statement.Of(s_pause),
                ],
                ending), cancellationToken);
        }

        static Npgsql.NpgsqlParameter Users(List<Mark> marks) => PortionArrays.Of(NpgsqlDbType.Text, marks.ConvertAll(mark => mark.UserId));
        static Npgsql.NpgsqlParameter Devices(List<Mark> marks) => PortionArrays.Of(NpgsqlDbType.Text, marks.ConvertAll(mark => mark.DeviceId));
    }

    private sealed record Mark(int Source, string UserId, string DeviceId, long Last);
}
