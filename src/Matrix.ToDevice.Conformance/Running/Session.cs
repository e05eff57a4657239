using System.Text;

namespace Matrix.ToDevice;

/// <summary>A message as it was read; its content is a copy, and its page was disposed.</summary>
internal sealed record ReadMessage(InboxPosition Position, string Sender, string EventType, byte[] Bytes)
{
    public string Content => Encoding.UTF8.GetString(Bytes);

    public DateTimeOffset? CommittedAt { get; init; }
}

/// <summary>An open store, and what cases do with one. A call that throws breaks the promise.</summary>
internal sealed class Session(CaseRun run, string data, StoreInstance instance)
{
    public static readonly DeviceAddress Alice = new("@alice:hs1", "A1");
    public static readonly DeviceAddress Bob = new("@bob:hs1", "B1");
    public static readonly DeviceAddress BobsOther = new("@bob:hs1", "B2");
    public static readonly DeviceAddress Carol = new("@carol:hs1", "C1");

    private static long s_sendId;

    public string Data => data;
    public StoreInstance Instance => instance;
    public ITransactionStore Transactions => instance.Transactions;
    public IDeviceInbox Inbox => instance.Inbox;
    public IFederationOutbox Outbox => instance.Outbox!;
    public IStoreUpkeep Upkeep => instance.Upkeep!;
    public long KnownRemovals => instance.Transactions.KnownRemovals;
    public CancellationToken Cancel => run.Cancel;

    /// <summary>A send ID: spread over all 64 bits, and no two the same.</summary>
    public static long NewSendId() => unchecked(Interlocked.Increment(ref s_sendId) * (long)0x9E3779B97F4A7C15);

    public static TransactionKey Key(string txnId, DeviceAddress? sender = null) =>
        new((sender ?? Alice).UserId, (sender ?? Alice).DeviceId, TransactionKey.SendToDevice, "m.test", txnId);

    public static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

    public static ToDeviceMessage Message(DeviceAddress recipient, string content, long? sendId = null) =>
        new(recipient, Alice.UserId, "m.test", Utf8(content), sendId ?? NewSendId());

    public static List<ToDeviceMessage> Messages(string content, IEnumerable<DeviceAddress> recipients)
    {
        var sendId = NewSendId();
        return [.. recipients.Select(recipient => Message(recipient, content, sendId))];
    }

    public static OutboundEdu Edu(string destination, string messageId, string? content = null) =>
        new(destination, messageId, Utf8(content ?? $$"""{"message_id":"{{messageId}}"}"""));

    /// <summary>Begins a transaction; null when the key is known to be committed.</summary>
    public ValueTask<IToDeviceTransaction?> TryBeginAsync(TransactionKey key, long? knownRemovals = null) => run.CallAsync(
        "ITransactionStore.BeginAsync", () => Transactions.BeginAsync(key, knownRemovals ?? KnownRemovals, Cancel));

    /// <summary>Begins a transaction whose key has not been committed.</summary>
    public async ValueTask<IToDeviceTransaction> BeginAsync(TransactionKey key, long? knownRemovals = null) =>
        await TryBeginAsync(key, knownRemovals) ?? throw new BrokenPromise(
            $"BeginAsync returned null for {key}, as if it had been committed. It was not: begin a transaction for it.");

    public ValueTask<IToDeviceTransaction> BeginAsync(string txnId, long? knownRemovals = null) => BeginAsync(Key(txnId), knownRemovals);

    /// <summary>Begins a transaction and appends one content for each recipient.</summary>
    public async ValueTask<IToDeviceTransaction> PrepareAsync(string txnId, string content, params DeviceAddress[] recipients)
    {
        var transaction = await BeginAsync(txnId);
        await AppendAsync(transaction, Messages(content, recipients));
        return transaction;
    }

    public ValueTask AppendAsync(IToDeviceTransaction transaction, params IReadOnlyList<ToDeviceMessage> messages) =>
        run.CallAsync("IDeviceInbox.AppendAsync", () => Inbox.AppendAsync(transaction, messages, Cancel));

    public ValueTask AppendAsync(IToDeviceTransaction transaction, params IReadOnlyList<OutboundEdu> edus) =>
        run.CallAsync("IFederationOutbox.AppendAsync", () => Outbox.AppendAsync(transaction, edus, Cancel));

    public ValueTask<CommitResult> CommitAsync(IToDeviceTransaction transaction) =>
        run.CallAsync("IToDeviceTransaction.CommitAsync", () => transaction.CommitAsync(Cancel));

    public ValueTask DisposeAsync(IToDeviceTransaction transaction) =>
        run.CallAsync("IToDeviceTransaction.DisposeAsync", transaction.DisposeAsync);

    /// <summary>Commits and disposes; it has to end as expected.</summary>
    public async ValueTask CommitAsync(IToDeviceTransaction transaction, CommitResult expected, string reason)
    {
        Check.Equal(await CommitAsync(transaction), expected, reason);
        await DisposeAsync(transaction);
    }

    /// <summary>One whole send. A null from BeginAsync counts as <see cref="CommitResult.AlreadyCommitted"/>, which it means.</summary>
    public async ValueTask<CommitResult> SendAsync(
        TransactionKey key, IReadOnlyList<ToDeviceMessage> messages, long? knownRemovals = null, IReadOnlyList<OutboundEdu>? edus = null)
    {
        if (await TryBeginAsync(key, knownRemovals) is not { } transaction) return CommitResult.AlreadyCommitted;
        if (messages.Count > 0) await AppendAsync(transaction, messages);
        if (edus is not null) await AppendAsync(transaction, edus);
        var result = await CommitAsync(transaction);
        await DisposeAsync(transaction);
        return result;
    }

    public ValueTask<CommitResult> SendAsync(string txnId, string content, params DeviceAddress[] recipients) =>
        SendAsync(Key(txnId), Messages(content, recipients));

    /// <summary>A send that has to be committed, because nothing speaks against it.</summary>
    public async ValueTask DeliverAsync(string txnId, string content, params DeviceAddress[] recipients) => Check.Equal(
        await SendAsync(txnId, content, recipients), CommitResult.Committed, $"The new transaction {txnId} has to be committed.");

    public async ValueTask DeliverEdusAsync(string txnId, params OutboundEdu[] edus) => Check.Equal(
        await SendAsync(Key(txnId), [], null, edus), CommitResult.Committed, $"The new transaction {txnId} has to be committed.");

    public ValueTask<(List<ReadMessage> Messages, bool HasMore)> PageAsync(
        DeviceAddress device, InboxPosition after, int limit, int maxBytes = int.MaxValue) =>
        run.CallAsync("IDeviceInbox.ReadAsync", async () =>
        {
            using var page = await Inbox.ReadAsync(device, after, limit, maxBytes, Cancel);
            return (page.Messages.Select(Copy).ToList(), page.HasMore);
        });

    /// <summary>Everything that waits for a device.</summary>
    public async ValueTask<List<ReadMessage>> ReadAsync(DeviceAddress device) =>
        (await PageAsync(device, InboxPosition.Start, 100_000)).Messages;

    /// <summary>The contents of everything that waits for a device.</summary>
    public async ValueTask<List<string>> ContentsAsync(DeviceAddress device) =>
        [.. (await ReadAsync(device)).Select(message => message.Content)];

    public ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo) =>
        run.CallAsync("IDeviceInbox.AcknowledgeAsync", () => Inbox.AcknowledgeAsync(device, upTo, Cancel));

    public ValueTask RemoveDeviceAsync(DeviceAddress device) =>
        run.CallAsync("IDeviceInbox.RemoveDeviceAsync", () => Inbox.RemoveDeviceAsync(device, Cancel));

    public ValueTask<int> PurgeAsync(DateTimeOffset lastUsedBefore, int atMost = 1000, string endpoint = TransactionKey.SendToDevice) =>
        run.CallAsync("ITransactionStore.PurgeAsync", () => Transactions.PurgeAsync(endpoint, lastUsedBefore, atMost, Cancel));

    public ValueTask<IReadOnlyList<OutboxEntry>> EdusAsync(string destination, int limit = 1000, long after = 0) =>
        run.CallAsync("IFederationOutbox.ReadAsync", () => Outbox.ReadAsync(destination, after, limit, Cancel));

    public async ValueTask<List<string>> MessageIdsAsync(string destination, int limit = 1000) =>
        [.. (await EdusAsync(destination, limit)).Select(entry => entry.MessageId)];

    public ValueTask RemoveEdusAsync(string destination, params IReadOnlyList<OutboxEntry> edus) =>
        run.CallAsync("IFederationOutbox.RemoveAsync", () => Outbox.RemoveAsync(destination, edus, Cancel));

    public ValueTask<IReadOnlyList<string>> DestinationsAsync(string? after = null, int limit = 1000) =>
        run.CallAsync("IFederationOutbox.ListDestinationsAsync", () => Outbox.ListDestinationsAsync(after, limit, Cancel));

    /// <summary>Takes destinations; the result are their names, in the order in which the store gave them.</summary>
    public async ValueTask<List<string>> TakeAsync(
        string holder, TimeSpan? duration = null, int limit = 1000, int failingLimit = 1000, TimeSpan? longestPause = null) =>
        [.. (await AcquireAsync(holder, duration, limit, failingLimit, longestPause)).Select(lease => lease.Destination)];

    /// <summary>Takes destinations by their names; the result are those that the store gave.</summary>
    public async ValueTask<List<string>> TakeTheseAsync(string holder, params IReadOnlyList<string> destinations)
    {
        var leases = await run.CallAsync(
            "IFederationOutbox.AcquireTheseAsync", () => Outbox.AcquireTheseAsync(destinations, holder, SenderCases.Hour, Cancel));
        return [.. leases.Select(lease => lease.Destination)];
    }

    /// <summary>Takes the only destination that is free.</summary>
    public async ValueTask<OutboxLease> TakeOneAsync(string holder)
    {
        var leases = await AcquireAsync(holder);
        Check.Equal(leases.Count, 1, "One destination has EDUs waiting, and nobody has it: it can be taken.");
        return leases[0];
    }

    public ValueTask<bool> RenewAsync(string destination, string holder, TimeSpan duration, long sendingUpTo) =>
        run.CallAsync("IFederationOutbox.RenewAsync", () => Outbox.RenewAsync(destination, holder, duration, sendingUpTo, Cancel));

    public ValueTask ReleaseAsync(string destination, string holder, int failures, TimeSpan pause) =>
        run.CallAsync("IFederationOutbox.ReleaseAsync", () => Outbox.ReleaseAsync(destination, holder, failures, pause, Cancel));

    public async ValueTask<IReadOnlyList<OutboxLease>> AcquireAsync(
        string holder, TimeSpan? duration = null, int limit = 1000, int failingLimit = 1000, TimeSpan? longestPause = null)
    {
        var leases = await run.CallAsync(
            "IFederationOutbox.AcquireAsync", () => Outbox.AcquireAsync(
                holder, duration ?? SenderCases.Hour, limit, failingLimit, longestPause ?? SenderCases.Day, Cancel));
        Check.That(leases.Count <= limit, $"At most {limit} destinations were asked for, and {leases.Count} were given.");
        return leases;
    }

    public ValueTask<StoreStatistics> MeasureAsync() => run.CallAsync("IStoreUpkeep.MeasureAsync", () => Upkeep.MeasureAsync(Cancel));

    public ValueTask<IReadOnlyList<InboxSize>> MeasureAsync(InboxSize upTo, params IReadOnlyList<DeviceAddress> devices) =>
        run.CallAsync("IStoreUpkeep.MeasureAsync", () => Upkeep.MeasureAsync(devices, upTo, Cancel));

    public ValueTask<bool> IsCommittedAsync(TransactionKey key) =>
        run.CallAsync("IStoreUpkeep.IsCommittedAsync", () => Upkeep.IsCommittedAsync(key, Cancel));

    public ValueTask<int> ExpireAsync(DateTimeOffset committedBefore, int atMost = 1000) =>
        run.CallAsync("IStoreUpkeep.ExpireAsync", () => Upkeep.ExpireAsync(committedBefore, atMost, Cancel));

    public ValueTask<bool> TryTakeAsync(string task, TimeSpan interval) =>
        run.CallAsync("IStoreUpkeep.TryTakeAsync", () => Upkeep.TryTakeAsync(task, interval, Cancel));

    private static ReadMessage Copy(InboxMessage message) =>
        new(message.Position, message.Sender, message.EventType, message.Content.ToArray()) { CommittedAt = message.CommittedAt };
}
