using System.Collections.Concurrent;

namespace Matrix.ToDevice;

/// <summary>
/// Commits sends. A send is accepted in one commit in its sender's bucket, with the record and with an intent for each other bucket; then
/// it is put into those, and then it is answered. Where one is not to be had, the send is answered all the same, and goes there later.
/// Sends that come together for buckets of one machine share each of these commits.
/// </summary>
internal sealed class DistributedWriter : IWriter
{
    /// <summary>For each of the options' writers, so many connections are used by sends.</summary>
    public const int PlacesOfWriter = 4;

    // From the look-up of a send's devices to its commit, and by how much the clocks of two machines may differ: a minute each.
    private static readonly TimeSpan s_lookUp = TimeSpan.FromMinutes(2);

    // Whoever sends to a device that is just removed, with a very long inbox, is refused before a time-out says that nobody can be had here.
    private static readonly TimeSpan s_acceptWait = TimeSpan.FromSeconds(10);

    private const long RowSize = 1024;

    private readonly Share _share;
    private readonly TimeProvider _time;
    private readonly BucketRemovals _removals;
    private readonly Resumption _resumption;
    private readonly NamelessRecords _nameless;
    private readonly Action<IReadOnlyList<ToDeviceMessage>> _arrived;
    private readonly Lanes<Look, long[]> _looks;
    private readonly Lanes<Acceptance, Accepted> _acceptances;
    private readonly Lanes<Load, bool> _deliveries;
    private readonly ConcurrentDictionary<Source, Task> _underWay = new();

    public DistributedWriter(
        PostgreSqlDatabase database, PostgreSqlStoreOptions options, TimeProvider time, BucketRemovals removals, Delivery delivery, Resumption resumption,
        Machines machines, Availability availability, NamelessRecords nameless, Action<IReadOnlyList<ToDeviceMessage>> arrived, StoreMetrics metrics)
    {
        (_time, _removals, _resumption, _nameless, _arrived) = (time, removals, resumption, nameless, arrived);
        _share = Share.Of(options.Writers * PlacesOfWriter);
        var looking = new Looking(database, options);
        var acceptor = new Acceptor(database, options, resumption, metrics);
        _looks = new(
            machines, availability, _share, (looks, _, ending) => looking.LookAsync(looks, ending), _ => [], look => look.Devices.Count * RowSize, s_acceptWait);
        _acceptances = new(
            machines, availability, _share, acceptor.AcceptAsync, send => Recipients(send.Own).Append(send.Sender),
            send => send.Transaction.Bytes + ((send.Own.Rows + send.Intents.Count) * RowSize), s_acceptWait);
        _deliveries = new(
            machines, availability, _share, delivery.PutAsync, load => Recipients(load.Portion), load => load.Portion.Bytes + (load.Portion.Rows * RowSize),
            Delivery.LockWait);

        static IEnumerable<DeviceAddress> Recipients(Portion portion) => portion.Messages.Select(message => message.Recipient);
    }

    public async ValueTask<CommitResult> CommitAsync(PostgreSqlTransaction transaction, CancellationToken cancellationToken)
    {
        var sender = CommitArrays.Sender(transaction.Key);
        var bucket = Buckets.Of(sender.UserId);
        var now = _time.GetUtcNow();
        if (await _nameless.UseAsync(sender, transaction.Fingerprint, now, cancellationToken)) return CommitResult.AlreadyCommitted;
        var portions = Portion.Cut(transaction, now);
        var known = _removals.KnownThen(bucket, transaction.KnownRemovals);
        var own = portions.Remove(bucket, out var here) ? here with { Known = known } : new Portion([], [], known, now);

        var looked = await Task.WhenAll(portions.Select(portion => LookAsync(portion.Key, portion.Value, transaction.KnownRemovals, cancellationToken)));
        if (looked.Any(one => one.IsRefused))
        {
            LearnAll((await LookAsync(bucket, [], cancellationToken))[0]);
            return CommitResult.DeviceRemoved;
        }

        cancellationToken.ThrowIfCancellationRequested();
        var intents = Array.ConvertAll(looked, one => (Source: new Source(sender, one.Bucket), one.Portion));
        var accepted = await _acceptances.RunAsync(bucket, new Acceptance(transaction, sender, own, intents));
        switch (accepted.Outcome)
        {
            case Outcome.Removed:
                LearnAll(accepted.Number);
                return CommitResult.DeviceRemoved;
            case Outcome.Accepted:
                await Task.WhenAll(intents.Select((intent, i) => DeliverAsync(
                    new Load(new Intent(intent.Source, accepted.Number, accepted.At, accepted.At), intent.Portion), accepted.Waits[i])));
                break;
            default:
                // Whoever has accepted it may have died before all of it was delivered.
                await Task.WhenAll(intents.Select(intent => _resumption.TryAsync(intent.Source)));
                break;
        }

        // Whoever has put it there before may have died before anybody was told.
        if (own.Messages.Count > 0) _arrived(own.Messages);
        return accepted.Outcome == Outcome.AcceptedByOther ? CommitResult.AlreadyCommitted : CommitResult.Committed;

        // One refusal teaches all that the send has met: it is refused once, however many buckets have removals that are not known here.
        void LearnAll(long last)
        {
            _removals.Learn(bucket, last);
            foreach (var one in looked) _removals.Learn(one.Bucket, one.Last);
        }
    }

    /// <summary>Carries through what is under way. What has not begun does not.</summary>
    public async ValueTask DisposeAsync()
    {
        await _share.DisposeAsync();
        await _looks.DisposeAsync();
        await _acceptances.DisposeAsync();
        await _deliveries.DisposeAsync();
        await _resumption.DisposeAsync();
    }

    /// <summary>Finds out what has been removed in a bucket, and whether that was one of the recipients since it was looked up.</summary>
    private async Task<Looked> LookAsync(int bucket, Portion portion, long knownRemovals, CancellationToken cancellationToken)
    {
        if (portion.Messages.Count == 0) return new Looked(bucket, portion, 0, IsRefused: false);

        var known = _removals.KnownThen(bucket, knownRemovals);
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
        _looks.RunAsync(bucket, new Look(bucket, devices)).WaitAsync(cancellationToken);

    /// <summary>Delivers an intent, and those before it. When that fails, it is tried later.</summary>
    private async Task DeliverAsync(Load load, bool waitsForOlder)
    {
        var intent = load.Intent;
        if (waitsForOlder)
        {
            // Perhaps in a lane: what is delivered twice has those refused that go with it.
            if (_underWay.TryGetValue(intent.Source, out var older)) await older.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await _resumption.TryAsync(intent.Source);
            return;
        }

        var delivery = _deliveries.RunAsync(intent.Source.Target, load);
        _underWay[intent.Source] = delivery;
        try
        {
            await delivery;
            _resumption.Delivered(intent.Source, intent.Number);
        }
        catch (Exception exception) when (exception is PostgreSqlStoreException or ObjectDisposedException)
        {
            _resumption.Later(intent.Source, exception);
        }
        finally
        {
            _underWay.TryRemove(KeyValuePair.Create<Source, Task>(intent.Source, delivery));
        }
    }

    /// <param name="Bucket">The bucket.</param>
    /// <param name="Portion">What goes there.</param>
    /// <param name="Last">The number of the last removal there, 0 where nobody has looked.</param>
    /// <param name="IsRefused">Whether a recipient was removed since it was looked up.</param>
    private sealed record Looked(int Bucket, Portion Portion, long Last, bool IsRefused);
}
