using Microsoft.EntityFrameworkCore;

namespace Matrix.ToDevice;

/// <summary>Commits sends, each in a transaction of its own.</summary>
internal sealed class Writer(Database database, TimeProvider time, KnownRemovals knownRemovals)
{
    /// <inheritdoc cref="IToDeviceTransaction.CommitAsync"/>
    public ValueTask<CommitResult> CommitAsync(EntityFrameworkTransaction send, CancellationToken cancellationToken)
    {
        // A requester without a device, and another server, cannot be removed: there is no row to meet at.
        var devices = send.Messages.Select(message => message.Device).Concat(send.HasDevice ? [send.Sender] : []).Distinct().Order().ToList();
        var destinations = send.Edus.Select(edu => edu.Destination).Distinct().Order(StringComparer.Ordinal).ToList();
        return database.WriteAsync(async db =>
        {
            await DeviceRows.AddMissingAsync(db, devices);
            await using var transaction = await Database.BeginAsync(db);
            var result = await TryCommitAsync(db, send, devices, destinations);
            if (result != CommitResult.DeviceRemoved) await transaction.CommitAsync(CancellationToken.None);
            return result;
        }, cancellationToken);
    }

    private async Task<CommitResult> TryCommitAsync(
        DbContext db, EntityFrameworkTransaction send, List<UInt128> devices, List<string> destinations)
    {
        var inboxes = await DeviceRows.LockAsync(db, devices);
        var sender = StoredKey.ToBytes(send.Sender);
        var records = db.Set<TransactionRow>().Where(row => row.Device == sender && row.Key == send.Key);
        var recorded = await records.Select(row => (long?)row.CommitId).SingleOrDefaultAsync(CancellationToken.None);
        // It was this very send, and the answer of its commit was lost.
        if (recorded == send.CommitId) return CommitResult.Committed;

        // Before the record: that may be a later device's of the same ID.
        var removal = inboxes.Values.Select(row => row.Removal).DefaultIfEmpty().Max();
        if (removal > send.KnownRemovals)
        {
            knownRemovals.Learn(removal);
            return CommitResult.DeviceRemoved;
        }

        var now = time.GetUtcNow().UtcTicks;
        if (recorded is not null)
        {
            await records.Where(row => row.LastUsed < now)
                .ExecuteUpdateAsync(row => row.SetProperty(record => record.LastUsed, now), CancellationToken.None);
            return CommitResult.AlreadyCommitted;
        }

        if (destinations.Count > 0) await AddEdusAsync(db, send, destinations, now);
        AddMessages(db, send, inboxes, now);
        db.Add(new TransactionRow { Device = sender, Key = send.Key, CommitId = send.CommitId, Kind = send.Kind, LastUsed = now });
        // The key is recorded once, whoever else writes it at this moment: that one's commit, or this one, fails and looks again.
        await db.SaveChangesAsync(CancellationToken.None);
        return CommitResult.Committed;
    }

    private static void AddMessages(DbContext db, EntityFrameworkTransaction send, Dictionary<UInt128, DeviceRow> inboxes, long now)
    {
        var (contents, sender, eventType) = (new Copies(), new Utf8(), new Utf8());
        foreach (var (device, message) in send.Messages)
        {
            var row = new MessageRow
            {
                Device = inboxes[device].Key,
                Sequence = ++inboxes[device].LastSequence,
                SendId = message.SendId,
                Sender = sender.Of(message.Sender),
                EventType = eventType.Of(message.EventType),
                Content = contents.Of(message.Content),
                CommittedAt = now,
            };
            row.Bytes = (long)row.Sender.Length + row.EventType.Length + row.Content.Length;
            db.Add(row);
            db.Entry(inboxes[device]).Property(inbox => inbox.LastSequence).IsModified = true;
        }
    }

    private static async Task AddEdusAsync(DbContext db, EntityFrameworkTransaction send, List<string> destinations, long now)
    {
        var (rows, empty) = await DestinationRows.LockAsync(db, destinations);
        var databaseNow = await DatabaseClock.NowAsync(db, CancellationToken.None);
        // A destination that was forgotten goes on counting, because its numbers follow the clock.
        var first = databaseNow / TimeSpan.TicksPerMicrosecond;
        foreach (var row in rows.Values)
        {
            row.LastPosition = Math.Max(row.LastPosition, first);
            // What was not waiting is free from now on, unless it is taken or left alone for longer.
            if (!empty.Contains(row.Destination) || row.TakenUntil > databaseNow) continue;
            (row.TakenUntil, row.FreeSince) = (databaseNow, now);
            db.Entry(row).Property(destination => destination.TakenUntil).IsModified = true;
            db.Entry(row).Property(destination => destination.FreeSince).IsModified = true;
        }

        var contents = new Copies();
        foreach (var (destination, edu) in send.Edus)
        {
            db.Add(new EduRow
            {
                Destination = destination,
                Position = ++rows[destination].LastPosition,
                MessageId = StoredText.ToBytes(edu.MessageId),
                Content = contents.Of(edu.Content),
                CommittedAt = now,
            });
            db.Entry(rows[destination]).Property(row => row.LastPosition).IsModified = true;
        }
    }

    /// <summary>A copy of each content: many messages of a send often have one.</summary>
    private sealed class Copies
    {
        private ReadOnlyMemory<byte> _last;
        private byte[] _copy = [];

        public byte[] Of(ReadOnlyMemory<byte> content)
        {
            if (!content.Equals(_last)) (_last, _copy) = (content, content.ToArray());
            return _copy;
        }
    }

    /// <summary>A text's UTF-8: it is the same for all messages of a send.</summary>
    private sealed class Utf8
    {
        private string? _last;
        private byte[] _bytes = [];

        public byte[] Of(string text)
        {
            if (!ReferenceEquals(text, _last)) (_last, _bytes) = (text, StoredText.ToBytes(text));
            return _bytes;
        }
    }
}
