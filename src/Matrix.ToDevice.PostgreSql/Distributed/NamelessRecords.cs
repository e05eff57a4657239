namespace Matrix.ToDevice;

/// <summary>
/// Records that came from a store that does not know whose they are (the tool's copy of a SQLite file): those of requesters without a device,
/// and of other servers. They stand under nobody's name, in nobody's bucket, and are looked for there as long as there can be any. No new ones come.
/// </summary>
internal sealed class NamelessRecords(PostgreSqlDatabase database, PostgreSqlStoreOptions options, Availability availability)
{
    private static readonly int s_bucket = Buckets.Of(PostgreSqlText.Nobody);

    private readonly string _any = $"""
        SELECT count(*) FROM (
            SELECT 1 FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_transaction WHERE bucket = $1 AND user_id = $2 LIMIT 1) one
        """;

    private readonly string _use = $"""
        UPDATE {PostgreSqlSchema.Quote(options.Schema)}.to_device_transaction SET last_used = greatest(last_used, $5)
        WHERE bucket = $1 AND user_id = $2 AND device_id = $3 AND key = $4
        """;

    // Until it is known that there are none.
    private volatile bool _mayBe = true;

    /// <summary>Looks whether there are any. Where their bucket cannot be had, there may be.</summary>
    public async Task LookAsync(CancellationToken cancellationToken)
    {
        try
        {
            _mayBe = await availability.TryAsync(s_bucket, ending => database.ScalarAsync<long>(
                _any, () => [Statement.Of(s_bucket), Statement.Of(PostgreSqlText.Nobody)], ending), cancellationToken) > 0;
        }
        catch (PostgreSqlStoreException)
        {
            // Whoever asks for one finds out more.
        }
    }

    /// <summary>Whether a send of this sender has such a record, which is used by that.</summary>
    /// <exception cref="PostgreSqlStoreException">There may be one, and their bucket cannot be had.</exception>
    public async ValueTask<bool> UseAsync(DeviceAddress sender, Guid key, DateTimeOffset usedAt, CancellationToken cancellationToken) =>
        _mayBe && sender.DeviceId is (PostgreSqlText.NoDevice or PostgreSqlText.OtherServer)
        && await availability.TryAsync(s_bucket, ending => database.ExecuteAsync(
            _use,
            () =>
            [
                Statement.Of(s_bucket), Statement.Of(PostgreSqlText.Nobody), Statement.Of(sender.DeviceId), Statement.Of(key), Statement.Of(usedAt),
            ],
            ending), cancellationToken) > 0;
}
