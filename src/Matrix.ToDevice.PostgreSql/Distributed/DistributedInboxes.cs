using System.Runtime.ExceptionServices;
using Npgsql;

namespace Matrix.ToDevice;

/// <summary>What is read of inboxes, and all that is deleted of them and of records and removals. Whatever a user has is in one bucket.</summary>
internal sealed class DistributedInboxes(
    PostgreSqlDatabase database, PostgreSqlStoreOptions options, Availability availability, TimeProvider time, BucketRemovals removals, Marks marks) : IReader, ICleaner
{
    // So many are deleted while others wait for the device's row, some milliseconds.
    private const long MostAtOnce = 1000;

    // What was accepted for a device before its removal can wait for so long until its bucket is to be had again, and is dropped there because
    // the removal is known.
    private static readonly TimeSpan s_removalsAreKept = TimeSpan.FromDays(30);

    private readonly string _small = PostgreSqlReader.Small(Oldest(options), "$6"), _large = PostgreSqlReader.Large(Oldest(options), "$6");
    private readonly string _acknowledge = Statement.Call(options, "to_device_acknowledge", 6);
    private readonly string _remove = Statement.Call(options, "to_device_remove", 4);
    private readonly string _purge = Statement.Call(options, "to_device_purge", 4);
    private readonly string _forgetRemovals = Statement.Call(options, "to_device_forget_removals", 3);

    private volatile int _lastPurged = Random.Shared.Next(Buckets.Count);

    /// <inheritdoc cref="IDeviceInbox.ReadAsync"/>
    public ValueTask<InboxPage> ReadPageAsync(
        DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken) =>
        availability.CallAsync(BucketOf(device), ending => PostgreSqlReader.ReadPageAsync(database, _small, _large, limit, maxBytes, contentBytes =>
        {
            var userId = PostgreSqlText.Key(device.UserId);
            return
            [
                Statement.Of(Buckets.Of(userId)), Statement.Of(userId), Statement.Of(PostgreSqlText.Key(device.DeviceId)), Statement.Of(after.Sequence),
                Statement.Of(limit + 1L), Statement.Of(contentBytes),
            ];
        }, ending), cancellationToken);

    /// <inheritdoc cref="IDeviceInbox.AcknowledgeAsync"/>
    public async ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken)
    {
        var (userId, deviceId) = (PostgreSqlText.Key(device.UserId), PostgreSqlText.Key(device.DeviceId));
        for (var deleted = 0; ;)
        {
            // Each one is a transaction of its own: the counter of a long inbox is free in between.
            var portion = await availability.CallAsync(Buckets.Of(userId), ending => database.ScalarAsync<long>(
                _acknowledge,
                () =>
                [
                    Statement.Of(Buckets.Of(userId)), Statement.Of(userId), Statement.Of(deviceId), Statement.Of(upTo.Sequence), Statement.Of(upTo.SendId),
                    Statement.Of(MostAtOnce),
                ],
                ending), cancellationToken);
            if (portion >= 0) return deleted + (int)portion;
            deleted += (int)(-1 - portion);
        }
    }

    /// <inheritdoc cref="IDeviceInbox.RemoveDeviceAsync"/>
    public async ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken) => removals.Learn(
        BucketOf(device),
        await availability.CallAsync(
            BucketOf(device),
            ending => database.RunAsync((connection, cancellation) => RemoveDeviceAsync(connection, device, cancellation), ending), cancellationToken));

    /// <inheritdoc cref="PostgreSqlDevices.RemoveAndCommitAsync"/>
    public async ValueTask RemoveAndCommitAsync(NpgsqlTransaction transaction, DeviceAddress device, CancellationToken cancellationToken)
    {
        try
        {
            removals.Learn(BucketOf(device), await database.ConfirmedAsync(transaction.Connection!, async (connection, cancellation) =>
            {
                var number = await RemoveDeviceAsync(connection, device, cancellation);
                await transaction.CommitAsync(CancellationToken.None);
                return number;
            }, cancellationToken));
        }
        catch (Exception exception) when (exception is not (OperationCanceledException or PostgreSqlStoreException))
        {
            throw database.Explain(exception);
        }
    }

    /// <inheritdoc cref="ITransactionStore.PurgeAsync"/>
    /// <exception cref="PostgreSqlStoreException">It failed in a bucket; the others have had their turn.</exception>
    public async ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken)
    {
        var ofEdus = endpoint == TransactionKey.DirectToDevice;
        var keptSince = time.GetUtcNow() - s_removalsAreKept;
        var removedBefore = lastUsedBefore < keptSince ? lastUsedBefore : keptSince;
        var (purged, failure) = (0, (Exception?)null);
        for (var n = 0; n < Buckets.Count && purged < atMost; n++)
        {
            var bucket = _lastPurged = (_lastPurged + 1) % Buckets.Count;
            long most = atMost - purged;
            try
            {
                purged += (int)await availability.TryAsync(bucket, async ending =>
                {
                    await database.ScalarAsync<long>(
                        _forgetRemovals, () => [Statement.Of(bucket), Statement.Of(removedBefore), Statement.Of((long)atMost)], ending);
                    return await database.ScalarAsync<long>(
                        _purge, () => [Statement.Of(bucket), Statement.Of(ofEdus), Statement.Of(lastUsedBefore), Statement.Of(most)], ending);
                }, cancellationToken);
                await marks.ForgetAsync(bucket, cancellationToken);
            }
            catch (PostgreSqlStoreException exception)
            {
                failure ??= exception;
            }
        }

        if (failure is not null && purged < atMost) ExceptionDispatchInfo.Throw(failure);
        return purged;
    }

    private static int BucketOf(DeviceAddress device) => Buckets.Of(PostgreSqlText.Key(device.UserId));

    private async ValueTask<long> RemoveDeviceAsync(NpgsqlConnection connection, DeviceAddress device, CancellationToken cancellationToken)
    {
        var userId = PostgreSqlText.Key(device.UserId);
        // However full the inbox is.
        await using var command = new NpgsqlCommand(_remove, connection)
        {
            CommandTimeout = 0,
            Parameters =
            {
                Statement.Of(Buckets.Of(userId)), Statement.Of(userId), Statement.Of(PostgreSqlText.Key(device.DeviceId)), Statement.Of(time.GetUtcNow()),
            },
        };
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private static string Oldest(PostgreSqlStoreOptions options) => $"""
        FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_message
        WHERE bucket = $1 AND user_id = $2 AND device_id = $3 AND sequence > greatest($4, (
            SELECT d.acknowledged FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_device d
            WHERE d.bucket = $1 AND d.user_id = $2 AND d.device_id = $3))
        ORDER BY sequence LIMIT $5
        """;
}
