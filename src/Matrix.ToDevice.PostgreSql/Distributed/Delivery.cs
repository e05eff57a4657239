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
    private static readonly TimeSpan s_lockWait = TimeSpan.FromSeconds(1);

    private readonly string _deliver = Statement.Call(options, "to_device_deliver", 26);
    private readonly string _done = Statement.Call(options, "to_device_done", 5);

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
                await DeliverAsync(share, [.. intents.Select(one => new Load(one.Intent, Portion.FromPayload(one.Payload)))], cancellationToken);
            }
            catch (Exception exception) when (intents.Count > 1 && exception is not OperationCanceledException)
            {
                // One of them has that failed, and those before it do not wait for it; or some were here before.
                foreach (var (payload, intent) in intents)
                {
                    await DeliverAsync(share, [new Load(intent, Portion.FromPayload(payload))], cancellationToken);
                    await DoneAsync(share, source, intent.Number, cancellationToken);
                }
            }

            await DoneAsync(share, source, last, cancellationToken);
            if (intents.Count < AtOnce) return;
        }
    }

    /// <summary>Puts intents into a bucket, together in one commit: of each source its oldest ones.</summary>
    /// <exception cref="PostgreSqlStoreException">None of them is known to be there: one was refused, or some were there before.</exception>
    public ValueTask DeliverAsync(Share share, IReadOnlyList<Load> loads, CancellationToken cancellationToken) =>
        DeliverAsync(share, loads, s_lockWait, cancellationToken);

    /// <inheritdoc cref="DeliverAsync(Share, IReadOnlyList{Load}, CancellationToken)"/>
    public async ValueTask DeliverAsync(Share share, IReadOnlyList<Load> loads, TimeSpan lockWait, CancellationToken cancellationToken)
    {
        // One that another host has delivered meanwhile may come behind a newer one of its device.
        loads = [.. loads.OrderBy(load => load.Intent.Number)];
        var target = loads[0].Intent.Source.Target;
        var outcome = await availability.TryAsync(share, target, ending => database.ScalarAsync<long>(
            _deliver,
            () =>
            {
                var arrays = new PortionArrays([.. loads.Select(load => (load.Portion, DateTime.UnixEpoch.AddMicroseconds(load.Intent.AcceptedAt)))]);
                // Sorted, as all lock them.
                var sources = loads.GroupBy(load => load.Intent.Source.Device, load => load.Intent)
                    .OrderBy(source => source.Key, Comparer<DeviceAddress>.Create(CommitArrays.Compare)).ToList();
                return
                [
                    Statement.Of(target), Statement.Of((int)lockWait.TotalMilliseconds),
                    PortionArrays.Of(NpgsqlDbType.Integer, sources.ConvertAll(source => Buckets.Of(source.Key.UserId))),
                    PortionArrays.Of(NpgsqlDbType.Text, sources.ConvertAll(source => source.Key.UserId)),
                    PortionArrays.Of(NpgsqlDbType.Text, sources.ConvertAll(source => source.Key.DeviceId)),
                    PortionArrays.Of(NpgsqlDbType.Bigint, sources.ConvertAll(source => source.First().Number)),
                    PortionArrays.Of(NpgsqlDbType.Bigint, sources.ConvertAll(source => source.Last().Number)),
                    Statement.Of(loads.Min(load => load.Intent.SeenAt)), Statement.Of((long)s_longest.TotalMicroseconds),
                    .. arrays.Devices, .. arrays.Sends, .. arrays.Messages, .. arrays.Edus, arrays.UsedAt,
                ];
            },
            ending), cancellationToken);
        // Which is no fault of the bucket.
        if (outcome == SeenTooLongAgo)
            throw new PostgreSqlStoreException("An intent was seen too long ago to be delivered, or the clocks of two machines differ by minutes. It is tried again.");
        if (outcome > 0) Log.DroppedForRemoved(logger, outcome);

        // Whoever has put it there before may have died before anybody was told.
        foreach (var (_, portion) in loads)
            if (portion.Messages.Count > 0) arrived(portion.Messages);
    }

    /// <summary>Forgets the intents of a source up to one: they are delivered.</summary>
    public async ValueTask DoneAsync(Share share, Source source, long upTo, CancellationToken cancellationToken) => await availability.TryAsync(
        share, source.Bucket, ending => database.ExecuteAsync(
        _done,
        () =>
        [
            Statement.Of(source.Bucket), Statement.Of(source.Device.UserId), Statement.Of(source.Device.DeviceId), Statement.Of(source.Target),
            Statement.Of(upTo),
        ],
        ending), cancellationToken);
}
