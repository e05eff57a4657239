using Microsoft.Extensions.Logging;

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

    private readonly string _deliver = Statement.Call(options, "to_device_deliver", 24);
    private readonly string _done = Statement.Call(options, "to_device_done", 5);

    private readonly string _oldest = $"""
        SELECT number, payload, (extract(epoch FROM accepted_at) * 1000000)::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
        FROM {PostgreSqlSchema.Quote(options.Schema)}.to_device_intent
        WHERE bucket = $1 AND user_id = $2 AND device_id = $3 AND target = $4 AND number > $5 ORDER BY number LIMIT $6
        """;

    /// <summary>Delivers all intents of a source that are there.</summary>
    public async ValueTask ResumeAsync(Source source, CancellationToken cancellationToken)
    {
        for (var last = 0L; ;)
        {
            var intents = await availability.TryAsync(source.Bucket, () => database.ListAsync(
                _oldest,
                () =>
                [
                    Statement.Of(source.Bucket), Statement.Of(source.Device.UserId), Statement.Of(source.Device.DeviceId), Statement.Of(source.Target),
                    Statement.Of(last), Statement.Of((long)AtOnce),
                ],
                row => (Payload: row.GetFieldValue<byte[]>(1), Intent: new Intent(source, row.GetInt64(0), row.GetInt64(2), row.GetInt64(3))),
                cancellationToken));
            foreach (var (payload, intent) in intents)
            {
                await DeliverAsync(intent, Portion.FromPayload(payload), cancellationToken);
                last = intent.Number;
            }

            if (intents.Count > 0) await DoneAsync(source, last, cancellationToken);
            if (intents.Count < AtOnce) return;
        }
    }

    /// <summary>Puts one intent into its bucket, the oldest one of its source.</summary>
    /// <param name="intent">The intent.</param>
    /// <param name="portion">What it holds.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>How many messages were dropped, because their devices were removed.</returns>
    public async ValueTask<long> DeliverAsync(Intent intent, Portion portion, CancellationToken cancellationToken)
    {
        var outcome = await availability.TryAsync(intent.Source.Target, () => database.ScalarAsync<long>(
            _deliver,
            () =>
            {
                var (arrays, source) = (new PortionArrays(portion), intent.Source);
                return
                [
                    Statement.Of(source.Target), Statement.Of(source.Bucket), Statement.Of(source.Device.UserId), Statement.Of(source.Device.DeviceId),
                    Statement.Of(intent.Number), Statement.Of(intent.SeenAt), Statement.Of((long)s_longest.TotalMicroseconds), Statement.Of(portion.Known),
                    Statement.Of(intent.AcceptedAt), Statement.Of(portion.CommittedAt), .. arrays.Devices, .. arrays.Messages, .. arrays.Edus,
                ];
            },
            cancellationToken));
        // Which is no fault of the bucket.
        if (outcome == SeenTooLongAgo)
            throw new PostgreSqlStoreException("An intent was seen too long ago to be delivered, or the clocks of two machines differ by minutes. It is tried again.");
        if (outcome > 0) Log.DroppedForRemoved(logger, outcome);

        // Whoever has put it there before may have died before anybody was told.
        if (portion.Messages.Count > 0) arrived(portion.Messages);
        return Math.Max(outcome, 0);
    }

    /// <summary>Forgets the intents of a source up to one: they are delivered.</summary>
    public async ValueTask DoneAsync(Source source, long upTo, CancellationToken cancellationToken) => await availability.TryAsync(
        source.Bucket, () => database.ExecuteAsync(
        _done,
        () =>
        [
            Statement.Of(source.Bucket), Statement.Of(source.Device.UserId), Statement.Of(source.Device.DeviceId), Statement.Of(source.Target),
            Statement.Of(upTo),
        ],
        cancellationToken));
}
