using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>Accepts sends whose senders are in buckets of one machine, together in one commit.</summary>
internal sealed class Acceptor(PostgreSqlDatabase database, PostgreSqlStoreOptions options, Resumption resumption, StoreMetrics metrics)
{
    private readonly string _accept = Statement.Call(options, "to_device_accept", 32);

    public async ValueTask<IReadOnlyList<Accepted>> AcceptAsync(IReadOnlyList<Acceptance> sends, TimeSpan lockWait, CancellationToken cancellationToken)
    {
        // Of those with the same key one is accepted, or none.
        List<Acceptance> rest = [.. sends.DistinctBy(send => send.Transaction.Fingerprint)];
        var ended = new Dictionary<Guid, (Acceptance First, Accepted How)>();
        while (rest.Count > 0)
        {
            var numbers = await TryAsync(rest, lockWait, cancellationToken);
            var areAccepted = !numbers.AsSpan(1, rest.Count).ContainsAnyExcept((long)Outcome.Accepted);
            if (areAccepted) metrics.Committed(rest.Count);
            var next = 1 + (2 * rest.Count);
            foreach (var (i, send) in rest.Index())
            {
                var outcome = (Outcome)numbers[1 + i];
                // It would have been, but others were not: it is tried without them.
                if (outcome == Outcome.Accepted && !areAccepted) continue;
                var waits = areAccepted ? Array.ConvertAll(numbers[next..(next += send.Intents.Count)], waits => waits != 0) : [];
                ended.Add(send.Transaction.Fingerprint, (send, new Accepted(outcome, numbers[1 + rest.Count + i], numbers[0], waits)));
            }

            rest.RemoveAll(send => ended.ContainsKey(send.Transaction.Fingerprint));
        }

        return [.. sends.Select(send =>
        {
            var (first, how) = ended[send.Transaction.Fingerprint];
            return ReferenceEquals(first, send) || how.Outcome == Outcome.Removed ? how : how with { Outcome = Outcome.AcceptedByOther };
        })];
    }

    private ValueTask<long[]> TryAsync(List<Acceptance> sends, TimeSpan lockWait, CancellationToken cancellationToken) => database.ScalarAsync<long[]>(
        _accept,
        () =>
        {
            var arrays = new PortionArrays([.. sends.Select(send => (send.Own, default(DateTime)))], sends.Select(send => send.Sender));
            var numbers = sends.CountBy(send => send.Sender).ToDictionary();
            var intents = sends.Index().SelectMany(send => send.Item.Intents.Select(intent => (Send: send.Index + 1, intent.Source, intent.Portion))).ToList();
            return
            [
                Statement.Of(Buckets.Of(sends[0].Sender.UserId)), Statement.Of((int)lockWait.TotalMilliseconds),
                .. arrays.Devices, Calls.Array(NpgsqlDbType.Integer, arrays.Locked.Select(device => numbers.GetValueOrDefault(device))),
                Calls.Array(NpgsqlDbType.Integer, sends.Select(send => arrays.PlaceOf(send.Sender))),
                Calls.Array(NpgsqlDbType.Uuid, sends.Select(send => send.Transaction.Fingerprint)),
                Calls.Array(NpgsqlDbType.Bigint, sends.Select(send => send.Transaction.CommitId)),
                Calls.Array(NpgsqlDbType.Bigint, sends.Select(send => send.Own.Known)),
                Calls.Array(NpgsqlDbType.TimestampTz, sends.Select(send => send.Own.CommittedAt.UtcDateTime)),
                arrays.Portions, .. arrays.Parts, .. arrays.Messages,
                Calls.Array(NpgsqlDbType.Integer, intents.Select(intent => intent.Send)),
                Calls.Array(NpgsqlDbType.Integer, intents.Select(intent => intent.Source.Target)),
                Calls.Array(NpgsqlDbType.Bigint, intents.Select(intent => resumption.DeliveredUpTo(intent.Source))),
                Calls.Array(NpgsqlDbType.Bytea, intents.Select(intent => intent.Portion.ToPayload())),
                .. arrays.Edus,
            ];
        },
        cancellationToken);
}
