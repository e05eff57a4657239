using System.Threading.Channels;
using Npgsql;
using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>
/// Commits sends. A few loops take whatever waits and commit it as one statement: requests that come together share the
/// round trip and the disk's confirmation, and nobody waits for a timer.
/// </summary>
internal sealed class PostgreSqlWriter : IWriter
{
    private const int MaxWaiting = 4096;
    private const int MaxBatchItems = 256;
    private const int MaxBatchBytes = 8 << 20;

    private readonly Channel<CommitItem> _waiting = Channel.CreateBounded<CommitItem>(MaxWaiting);
    private readonly PostgreSqlDatabase _database;
    private readonly TimeProvider _time;
    private readonly KnownRemovals _knownRemovals;
    private readonly Action<List<CommitItem>> _committed;
    private readonly StoreMetrics _metrics;
    private readonly Task _loops;
    private readonly string _commit, _useRecords, _removals;

    /// <param name="database">The database.</param>
    /// <param name="options">The options.</param>
    /// <param name="time">The clock.</param>
    /// <param name="knownRemovals">Learns of removals that a commit meets.</param>
    /// <param name="committed">Is told what was committed, before those who wait for it are.</param>
    /// <param name="metrics">Is told how many sends share a commit.</param>
    public PostgreSqlWriter(
        PostgreSqlDatabase database, PostgreSqlStoreOptions options, TimeProvider time, KnownRemovals knownRemovals,
        Action<List<CommitItem>> committed, StoreMetrics metrics)
    {
        (_database, _time, _knownRemovals, _committed, _metrics) = (database, time, knownRemovals, committed, metrics);
        var schema = PostgreSqlSchema.Quote(options.Schema);
        _commit = $"SELECT {schema}.to_device_commit("
            + string.Join(", ", new CommitArrays().Parameters.Select((_, i) => FormattableString.Invariant($"${i + 1}"))) + ")";
        // Sorted locks here too: two hosts may look up the same records. And the answer to a retry says what the first answer
        // would have said, so it waits for the disk and the standby as the commit did, whatever the default of this database:
        // the update's own commit comes behind it.
        _useRecords = $"""
            UPDATE {schema}.to_device_transaction t SET last_used = greatest(t.last_used, $4)
            FROM (SELECT r.user_id, r.device_id, r.key
                  FROM unnest($1, $2, $3) AS k (user_id, device_id, key)
                  JOIN {schema}.to_device_transaction r
                      ON r.user_id = ANY (ARRAY[k.user_id, '{PostgreSqlText.Nobody}']) AND r.device_id = k.device_id AND r.key = k.key
                  ORDER BY r.key FOR UPDATE OF r) found
            WHERE t.user_id = found.user_id AND t.device_id = found.device_id AND t.key = found.key
            RETURNING t.key, t.commit_id,
                CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END
            """;
        _removals = $"""
            SELECT d.user_id, d.device_id, d.removal
            FROM unnest($1, $2) AS k (user_id, device_id) JOIN {schema}.to_device_device d USING (user_id, device_id) WHERE d.removal > 0
            """;
        _loops = Task.WhenAll(Enumerable.Range(0, options.Writers).Select(_ => Task.Run(RunAsync)));
    }

    /// <summary>Commits with the next batch.</summary>
    /// <param name="transaction">The send.</param>
    /// <param name="cancellationToken">Cancels the wait for a place in the queue, not what has got one.</param>
    public async ValueTask<CommitResult> CommitAsync(PostgreSqlTransaction transaction, CancellationToken cancellationToken)
    {
        var item = new CommitItem(transaction);
        try
        {
            await _waiting.Writer.WriteAsync(item, cancellationToken);
        }
        catch (ChannelClosedException)
        {
            throw new ObjectDisposedException(nameof(PostgreSqlStore));
        }

        return await item.Done;
    }

    /// <summary>Commits what still waits.</summary>
    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        await _loops;
    }

    private async Task RunAsync()
    {
        var loop = new Loop();
        while (await _waiting.Reader.WaitToReadAsync())
        {
            var bytes = 0;
            while (loop.Batch.Count < MaxBatchItems && bytes < MaxBatchBytes && _waiting.Reader.TryRead(out var item))
            {
                loop.Batch.Add(item);
                bytes += item.Transaction.Bytes;
            }

            if (loop.Batch.Count > 0) await CommitAsync(loop, loop.Batch);
            loop.Batch.Clear();
        }
    }

    private async Task CommitAsync(Loop loop, List<CommitItem> batch)
    {
        while (batch.Count > 0)
        {
            // Those whose key is in the batch already come next; by then their key is recorded.
            var firsts = loop.HasKeyTwice(batch) ? batch.DistinctBy(item => item.Transaction.Fingerprint).ToList() : batch;
            var rest = firsts.Count == batch.Count ? [] : batch.Except(firsts).ToList();
            try
            {
                if (await _database.RunAsync((connection, _) => TryCommitAsync(connection, loop, firsts), CancellationToken.None))
                {
                    _committed(firsts);
                    _metrics.Committed(firsts.Count);
                    foreach (var item in firsts) item.Succeed(CommitResult.Committed);
                }
                else
                {
                    // All of it before anybody is answered: that it was confirmed is known at the end.
                    var found = await _database.RunAsync((connection, _) => LookUpAsync(connection, firsts), CancellationToken.None);
                    rest.InsertRange(0, Settle(firsts, found));
                }
            }
            catch (Exception exception) when (firsts.Count > 1 && IsOfOneSend(exception))
            {
                // What the database cannot take from one must not keep it from the others.
                foreach (var item in firsts) await CommitAsync(loop, [item]);
            }
            catch (Exception exception)
            {
                foreach (var item in firsts) item.Fail(exception);
            }

            batch = rest;
        }
    }

    /// <summary>
    /// Commits all, or nothing when one of them is recorded or names a removed device. May be repeated when the answer was
    /// lost: then they are recorded, by their own commit IDs.
    /// </summary>
    private async ValueTask<bool> TryCommitAsync(NpgsqlConnection connection, Loop loop, List<CommitItem> batch)
    {
        await using var command = new NpgsqlCommand(_commit, connection);
        try
        {
            loop.Arrays.Fill(batch, _time.GetUtcNow());
            foreach (var parameter in loop.Arrays.Parameters) command.Parameters.Add(parameter);
            await _database.PrepareAsync(command, CancellationToken.None);
            return (bool)(await command.ExecuteScalarAsync(CancellationToken.None))!;
        }
        catch
        {
            // Parameters that were not written to the end remember what they were to write.
            loop.Arrays = new CommitArrays();
            throw;
        }
        finally
        {
            command.Parameters.Clear();
            loop.Arrays.Clear();
        }
    }

    /// <summary>Finds out why a batch was not committed.</summary>
    private async ValueTask<Found> LookUpAsync(NpgsqlConnection connection, List<CommitItem> batch)
    {
        var recorded = await UseRecordsAsync(connection, batch);
        return new Found(recorded, await RemovalsAsync(connection, batch));
    }

    /// <summary>Answers those that are recorded or name a removed device; the result are the others.</summary>
    private List<CommitItem> Settle(List<CommitItem> batch, Found found)
    {
        // Numbers become visible in their order: who knows one knows all before it.
        foreach (var number in found.Removals.Values) _knownRemovals.Learn(number);

        var others = new List<CommitItem>();
        foreach (var item in batch)
        {
            var isRecorded = found.Recorded.TryGetValue(item.Transaction.Fingerprint, out var commitId);
            if (isRecorded && commitId == item.Transaction.CommitId)
            {
                // It was this very attempt, and its answer was lost.
                _committed([item]);
                item.Succeed(CommitResult.Committed);
            }
            else if (CommitArrays.Devices(item.Transaction).Any(device => found.Removals.GetValueOrDefault(device) > item.Transaction.KnownRemovals))
            {
                item.Succeed(CommitResult.DeviceRemoved);
            }
            else if (isRecorded)
            {
                // Whoever has committed it may have died before anybody was told.
                _committed([item]);
                item.Succeed(CommitResult.AlreadyCommitted);
            }
            else
            {
                others.Add(item);
            }
        }

        return others;
    }

    private async ValueTask<Dictionary<Guid, long>> UseRecordsAsync(NpgsqlConnection connection, List<CommitItem> batch)
    {
        await using var command = new NpgsqlCommand(_useRecords, connection);
        var senders = batch.Select(item => CommitArrays.Sender(item.Transaction.Key)).ToList();
        CommitArrays.Add(command.Parameters, NpgsqlDbType.Text, [.. senders.Select(sender => sender.UserId)]);
        CommitArrays.Add(command.Parameters, NpgsqlDbType.Text, [.. senders.Select(sender => sender.DeviceId)]);
        CommitArrays.Add(command.Parameters, NpgsqlDbType.Uuid, [.. batch.Select(item => item.Transaction.Fingerprint)]);
        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = _time.GetUtcNow().UtcDateTime, NpgsqlDbType = NpgsqlDbType.TimestampTz });
        await _database.PrepareAsync(command, CancellationToken.None);
        await using var reader = await command.ExecuteReaderAsync(CancellationToken.None);
        var recorded = new Dictionary<Guid, long>();
        while (await reader.ReadAsync(CancellationToken.None)) recorded.Add(reader.GetGuid(0), reader.GetInt64(1));
        return recorded;
    }

    /// <summary>The numbers of the last removals of the devices that a batch names.</summary>
    private async ValueTask<Dictionary<DeviceAddress, long>> RemovalsAsync(NpgsqlConnection connection, List<CommitItem> batch)
    {
        await using var command = new NpgsqlCommand(_removals, connection);
        var devices = batch.SelectMany(item => CommitArrays.Devices(item.Transaction)).Distinct().ToArray();
        CommitArrays.Add(command.Parameters, NpgsqlDbType.Text, Array.ConvertAll(devices, device => device.UserId));
        CommitArrays.Add(command.Parameters, NpgsqlDbType.Text, Array.ConvertAll(devices, device => device.DeviceId));
        await _database.PrepareAsync(command, CancellationToken.None);
        await using var reader = await command.ExecuteReaderAsync(CancellationToken.None);
        var removals = new Dictionary<DeviceAddress, long>();
        while (await reader.ReadAsync(CancellationToken.None))
            removals.Add(new DeviceAddress(reader.GetString(0), reader.GetString(1)), reader.GetInt64(2));
        return removals;
    }

    /// <summary>What a loop uses again for each batch.</summary>
    private sealed class Loop
    {
        private readonly HashSet<Guid> _keys = [];

        public List<CommitItem> Batch { get; } = [];

        public CommitArrays Arrays { get; set; } = new();

        public bool HasKeyTwice(List<CommitItem> batch)
        {
            _keys.Clear();
            foreach (var item in batch) _keys.Add(item.Transaction.Fingerprint);
            return _keys.Count < batch.Count;
        }
    }

    /// <param name="Recorded">The commit IDs of the keys that are recorded.</param>
    /// <param name="Removals">The numbers of the last removals of devices that the batch names.</param>
    private sealed record Found(Dictionary<Guid, long> Recorded, Dictionary<DeviceAddress, long> Removals);

    /// <summary>Not trouble with the server or the connection, which would meet each of them.</summary>
    private static bool IsOfOneSend(Exception exception) =>
        exception.InnerException is not NpgsqlException || exception.InnerException is PostgresException { SqlState: ['2', '2', ..] or ['2', '3', ..] or ['5', '4', ..] };
}
