using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>
/// Commits sends. A send is accepted in one commit in its sender's bucket, with the record and with an intent for each other bucket; then
/// it is put into those, and then it is answered. Where one is not to be had, the send is answered all the same, and goes there later.
/// </summary>
internal sealed class DistributedWriter(
    PostgreSqlDatabase database, PostgreSqlStoreOptions options, TimeProvider time, BucketRemovals removals, Delivery delivery, Resumption resumption,
    Availability availability, NamelessRecords nameless, Action<IReadOnlyList<ToDeviceMessage>> arrived, StoreMetrics metrics) : IWriter
{
    /// <summary>For each of the options' writers, so many connections are used by sends.</summary>
    public const int PlacesOfWriter = 4;

    // From the look-up of a send's devices to its commit, and by how much the clocks of two machines may differ: a minute each.
    private static readonly TimeSpan s_lookUp = TimeSpan.FromMinutes(2);

    private const int Accepted = 0, AcceptedBefore = 1, AcceptedByOther = 2, Removed = 3;

    private readonly Share _share = Share.Of(options.Writers * PlacesOfWriter);
    private readonly Lanes _lanes = new(delivery);
    private readonly int _mostOfOneSend = Math.Min(4, options.Writers * PlacesOfWriter / 2);
    private readonly string _look = Statement.Call(options, "to_device_look", 3);
    private readonly string _accept = Statement.Call(options, "to_device_accept", 24);

    public async ValueTask<CommitResult> CommitAsync(PostgreSqlTransaction transaction, CancellationToken cancellationToken)
    {
        var sender = CommitArrays.Sender(transaction.Key);
        var bucket = Buckets.Of(sender.UserId);
        var now = time.GetUtcNow();
        if (await nameless.UseAsync(sender, transaction.Fingerprint, now, cancellationToken)) return CommitResult.AlreadyCommitted;
        var portions = Portion.Cut(transaction, now);
        var known = removals.KnownThen(bucket, transaction.KnownRemovals);
        var own = portions.Remove(bucket, out var here) ? here with { Known = known } : new Portion([], [], known, now);

        var looked = await ForAllAsync([.. portions], portion => LookAsync(portion.Key, portion.Value, transaction.KnownRemovals, cancellationToken));
        if (looked.Any(one => one.IsRefused))
        {
            LearnAll((await LookAsync(bucket, [], cancellationToken))[0]);
            return CommitResult.DeviceRemoved;
        }

        cancellationToken.ThrowIfCancellationRequested();
        var sources = Array.ConvertAll(looked, one => new Source(sender, one.Bucket));
        var outcome = await availability.TryAsync(
            _share, bucket, ending => AcceptAsync(transaction, sender, own, sources, looked, ending), CancellationToken.None);
        switch (outcome[0])
        {
            case Removed:
                LearnAll(outcome[1]);
                return CommitResult.DeviceRemoved;
            case Accepted:
                metrics.Committed(1);
                await ForAllAsync(
                    [.. Enumerable.Range(0, looked.Length)],
                    i => DeliverAsync(new Intent(sources[i], outcome[1], outcome[2], outcome[2]), looked[i].Portion, waitsForOlder: outcome[3 + i] != 0));
                break;
            default:
                // Whoever has accepted it may have died before all of it was delivered.
                await ForAllAsync(sources, resumption.TryAsync);
                break;
        }

        // Whoever has put it there before may have died before anybody was told.
        if (own.Messages.Count > 0) arrived(own.Messages);
        return outcome[0] == AcceptedByOther ? CommitResult.AlreadyCommitted : CommitResult.Committed;

        // One refusal teaches all that the send has met: it is refused once, however many buckets have removals that are not known here.
        void LearnAll(long last)
        {
            removals.Learn(bucket, last);
            foreach (var one in looked) removals.Learn(one.Bucket, one.Last);
        }
    }

    /// <summary>Finds out what has been removed in a bucket, and whether that was one of the recipients since it was looked up.</summary>
    private async Task<Looked> LookAsync(int bucket, Portion portion, long knownRemovals, CancellationToken cancellationToken)
    {
        if (portion.Messages.Count == 0) return new Looked(bucket, portion, 0, IsRefused: false);

        var known = removals.KnownThen(bucket, knownRemovals);
        try
        {
            var numbers = await LookAsync(bucket, portion.Messages.ConvertAll(message => message.Recipient), cancellationToken);
            var isRefused = numbers.AsSpan(1).ContainsAnyExceptInRange(0, known);
            return new Looked(bucket, portion with { Known = Math.Max(known, numbers[0]) }, numbers[0], isRefused);
        }
        catch (PostgreSqlStoreException)
        {
            // It is not to be had. Numbers follow the clock: what was removed before the devices were looked up is known.
            var before = (portion.CommittedAt - s_lookUp - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
            return new Looked(bucket, portion with { Known = Math.Max(known, before) }, 0, IsRefused: false);
        }
    }

    /// <summary>The number of the last removal in a bucket, and behind it those of these devices.</summary>
    private Task<long[]> LookAsync(int bucket, List<DeviceAddress> devices, CancellationToken cancellationToken) =>
        availability.TryAsync(_share, bucket, ending => database.ScalarAsync<long[]>(
            _look,
            () =>
            [
                Statement.Of(bucket), PortionArrays.Of(NpgsqlDbType.Text, devices.ConvertAll(device => PostgreSqlText.Key(device.UserId))),
                PortionArrays.Of(NpgsqlDbType.Text, devices.ConvertAll(device => PostgreSqlText.Key(device.DeviceId))),
            ],
            ending), cancellationToken).AsTask();

    private ValueTask<long[]> AcceptAsync(
        PostgreSqlTransaction transaction, DeviceAddress sender, Portion own, Source[] sources, Looked[] looked, CancellationToken cancellationToken) =>
        database.ScalarAsync<long[]>(
            _accept,
            () =>
            {
                var arrays = new PortionArrays(own, sender);
                return
                [
                    Statement.Of(Buckets.Of(sender.UserId)), Statement.Of(sender.UserId), Statement.Of(sender.DeviceId), Statement.Of(transaction.Fingerprint),
                    Statement.Of(transaction.CommitId), Statement.Of(own.Known), Statement.Of(own.CommittedAt), .. arrays.Devices, .. arrays.Messages,
                    PortionArrays.Of(NpgsqlDbType.Integer, sources.Select(source => source.Target).ToList()),
                    PortionArrays.Of(NpgsqlDbType.Bigint, sources.Select(resumption.DeliveredUpTo).ToList()),
                    PortionArrays.Of(NpgsqlDbType.Bytea, looked.Select(one => one.Portion.ToPayload()).ToList()),
                    .. arrays.Edus,
                ];
            },
            cancellationToken);

    /// <summary>Delivers an intent, and those before it. When that fails, it is tried later.</summary>
    private async Task DeliverAsync(Intent intent, Portion portion, bool waitsForOlder)
    {
        if (waitsForOlder)
        {
            await resumption.TryAsync(intent.Source);
            return;
        }

        try
        {
            await _lanes.DeliverAsync(_share, new Load(intent, portion));
            resumption.Delivered(intent.Source, intent.Number);
        }
        catch (Exception exception) when (exception is PostgreSqlStoreException or ObjectDisposedException)
        {
            resumption.Later(intent.Source, exception);
        }
    }

    /// <summary>Carries through what is under way. What has not begun does not.</summary>
    public async ValueTask DisposeAsync()
    {
        await _share.DisposeAsync();
        await resumption.DisposeAsync();
    }

    // A send to very many does not take all places.
    private async Task<TResult[]> ForAllAsync<T, TResult>(IReadOnlyList<T> all, Func<T, Task<TResult>> work)
    {
        if (all.Count <= 1) return all.Count == 0 ? [] : [await work(all[0])];

        var results = new TResult[all.Count];
        await Parallel.ForAsync(
            0, all.Count, new ParallelOptions { MaxDegreeOfParallelism = _mostOfOneSend }, async (i, _) => results[i] = await work(all[i]));
        return results;
    }

    private async Task ForAllAsync<T>(IReadOnlyList<T> all, Func<T, Task> work) => await ForAllAsync(all, async one =>
    {
        await work(one);
        return true;
    });

    /// <param name="Bucket">The bucket.</param>
    /// <param name="Portion">What goes there.</param>
    /// <param name="Last">The number of the last removal there, 0 where nobody has looked.</param>
    /// <param name="IsRefused">Whether a recipient was removed since it was looked up.</param>
    private sealed record Looked(int Bucket, Portion Portion, long Last, bool IsRefused);
}
