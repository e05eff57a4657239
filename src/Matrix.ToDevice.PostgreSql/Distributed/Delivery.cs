using Microsoft.Extensions.Logging;
using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>
/// Puts what was accepted where it belongs: each intent once, those of a source in their order. Any host may do it at any time, several at
/// once: the target knows what it has.
/// </summary>
internal sealed class Delivery(
    PostgreSqlDatabase database, PostgreSqlStoreOptions options, Availability availability, Action<IReadOnlyList<ToDeviceMessage>> arrived, ILogger logger)
{
    // Their contents are in memory.
    private const int AtOnce = 10;
    private const long SeenTooLongAgo = -2;

    // Whoever has seen an intent may put it into its bucket for so long. By the clocks of two machines, which are not to differ by minutes.
    private static readonly TimeSpan s_longest = TimeSpan.FromMinutes(10);

    // Somebody has a device for long when it is removed with a long inbox. What is accepted for it is tried again later, and keeps no place meanwhile.
    public static readonly TimeSpan LockWait = TimeSpan.FromSeconds(1);

    private readonly string _deliver = Statement.Call(options, "to_device_deliver", 30);
    private readonly string _done = Statement.Call(options, "to_device_done", 6);

    private readonly string _oldest = $"""
        SELECT number, payload, (extract(epoch FROM accepted_at) * 1000000)::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
        FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_intent
        WHERE bucket = $1 AND user_id = $2 AND device_id = $3 AND target = $4 AND number > $5 ORDER BY number LIMIT $6
        """;

    /// <summary>Delivers all intents of a source that are there.</summary>
    public async ValueTask ResumeAsync(Share share, Source source, CancellationToken cancellationToken)
    {
        // What cannot be put there need not be read.
        if (availability.WhyNot(source.Target) is { } why) throw why;
        for (var last = 0L; ;)
        {
            var intents = await availability.TryAsync(share, source.Bucket, ending => database.ListAsync(
                _oldest,
                () =>
                [
                    Statement.Of(source.Bucket), Statement.Of(source.Device.UserId), Statement.Of(source.Device.DeviceId), Statement.Of(source.Target),
                    Statement.Of(last), Statement.Of((long)AtOnce),
                ],
                row => (Payload: row.GetFieldValue<byte[]>(1), Intent: new Intent(source, row.GetInt64(0), row.GetInt64(2), row.GetInt64(3))),
                ending), cancellationToken);
            if (intents.Count == 0) return;

            last = intents[^1].Intent.Number;
            try
            {
                await DeliverAsync(share, [.. intents.Select(Load)], cancellationToken);
                await DoneAsync(share, [new(source, last)], cancellationToken);
            }
            catch (Exception exception) when (intents.Count > 1 && exception is not OperationCanceledException)
            {
                // One of them has that failed, and those before it do not wait for it; or some were here before.
                foreach (var one in intents)
                {
                    await DeliverAsync(share, [Load(one)], cancellationToken);
                    await DoneAsync(share, [new(source, one.Intent.Number)], cancellationToken);
                }
            }

            if (intents.Count < AtOnce) return;
        }

        static Load Load((byte[] Payload, Intent Intent) one) => new(one.Intent, Portion.FromPayload(one.Payload));
    }

    /// <summary>Puts intents of one source into its target, together in one commit: its oldest ones.</summary>
    /// <exception cref="PostgreSqlStoreException">None of them is known to be there: one was refused, or some were there before.</exception>
    private async ValueTask DeliverAsync(Share share, IReadOnlyList<Load> loads, CancellationToken cancellationToken) => await availability.TryAsync(
        share, loads[0].Intent.Source.Target, ending => PutAsync(loads, LockWait, ending), cancellationToken);

    /// <summary>Puts intents into buckets of one machine, together in one commit: of each source its oldest ones.</summary>
    /// <exception cref="PostgreSqlStoreException">None of them is known to be there: one was refused, or some were there before.</exception>
    public async ValueTask<IReadOnlyList<bool>> PutAsync(IReadOnlyList<Load> loads, TimeSpan lockWait, CancellationToken cancellationToken)
    {
        // One that another host has delivered meanwhile may come behind a newer one of its device.
        loads = [.. loads.OrderBy(load => load.Intent.Number)];
        var outcome = await database.ScalarAsync<long>(
            _deliver,
            () =>
            {
                var arrays = new PortionArrays([.. loads.Select(load => (load.Portion, DateTime.UnixEpoch.AddMicroseconds(load.Intent.AcceptedAt)))], []);
                // Sorted, as all lock them.
                var sources = loads.GroupBy(load => load.Intent.Source, load => load.Intent)
                    .OrderBy(source => source.Key.Device, Comparer<DeviceAddress>.Create(CommitArrays.Compare)).ThenBy(source => source.Key.Target).ToList();
                return
                [
                    Statement.Of(loads[0].Intent.Source.Target), Statement.Of((int)lockWait.TotalMilliseconds),
                    PortionArrays.Of(NpgsqlDbType.Integer, sources.ConvertAll(source => source.Key.Target)),
                    PortionArrays.Of(NpgsqlDbType.Integer, sources.ConvertAll(source => source.Key.Bucket)),
                    PortionArrays.Of(NpgsqlDbType.Text, sources.ConvertAll(source => source.Key.Device.UserId)),
                    PortionArrays.Of(NpgsqlDbType.Text, sources.ConvertAll(source => source.Key.Device.DeviceId)),
                    PortionArrays.Of(NpgsqlDbType.Bigint, sources.ConvertAll(source => source.First().Number)),
                    PortionArrays.Of(NpgsqlDbType.Bigint, sources.ConvertAll(source => source.Last().Number)),
                    Statement.Of(loads.Min(load => load.Intent.SeenAt)), Statement.Of((long)s_longest.TotalMicroseconds),
                    .. arrays.Devices, .. arrays.Parts, arrays.Moments, .. arrays.Messages, .. arrays.Edus,
                ];
            },
            cancellationToken);
        // Which is no fault of the bucket.
        if (outcome == SeenTooLongAgo)
            throw new PostgreSqlStoreException("An intent was seen too long ago to be delivered, or the clocks of two machines differ by minutes. It is tried again.");
        if (outcome > 0) Log.DroppedForRemoved(logger, outcome);

        // Whoever has put it there before may have died before anybody was told.
        foreach (var (_, portion) in loads)
            if (portion.Messages.Count > 0) arrived(portion.Messages);
        return new bool[loads.Count];
    }

    /// <summary>Forgets the intents of sources in buckets of one machine, of each up to one: they are delivered.</summary>
    public async ValueTask DoneAsync(Share share, List<KeyValuePair<Source, long>> upTo, CancellationToken cancellationToken)
    {
        // All lock them in one order.
        upTo.Sort((one, other) => CommitArrays.Compare(one.Key.Device, other.Key.Device) is var devices and not 0 ? devices : one.Key.Target - other.Key.Target);
        await availability.TryAsync(share, upTo[0].Key.Bucket, ending => database.ExecuteAsync(
        _done,
        () =>
        [
            Statement.Of(upTo[0].Key.Bucket), Calls.Array(NpgsqlDbType.Integer, upTo.Select(one => one.Key.Bucket)),
            Calls.Array(NpgsqlDbType.Text, upTo.Select(one => one.Key.Device.UserId)),
            Calls.Array(NpgsqlDbType.Text, upTo.Select(one => one.Key.Device.DeviceId)),
            Calls.Array(NpgsqlDbType.Integer, upTo.Select(one => one.Key.Target)), Calls.Array(NpgsqlDbType.Bigint, upTo.Select(one => one.Value)),
        ],
        ending), cancellationToken);
    }
}
