using System.Diagnostics;

namespace Matrix.ToDevice.Bench;

/// <summary>Senders that use a store directly, each one request after the other.</summary>
internal static class StoreLoad
{
    /// <summary>Lets a store make its tables, for those who write into them without it.</summary>
    public static async Task CreateTablesAsync(IServiceCollection services)
    {
        await using var provider = services.BuildServiceProvider();
        await provider.GetRequiredService<IDeviceInbox>().RemoveDeviceAsync(new DeviceAddress("@nobody:example.org", "x"), default);
    }

    /// <summary>One send.</summary>
    public static async ValueTask<CommitResult> CommitAsync(
        ITransactionStore transactions, string txnId, Func<IToDeviceTransaction, ValueTask> append, string userId = "@sender:example.org")
    {
        var key = new TransactionKey(userId, "SENDER", TransactionKey.SendToDevice, "m.room.encrypted", txnId);
        await using var transaction = (await transactions.BeginAsync(key, transactions.KnownRemovals, default))!;
        await append(transaction);
        var result = await transaction.CommitAsync(default);
        return result == CommitResult.Committed ? result : throw new InvalidOperationException("It was not committed.");
    }

    /// <param name="hosts">The services of each host; senders are spread over them.</param>
    /// <param name="body">What is sent.</param>
    /// <param name="senders">How many at once, each from a device of its own.</param>
    /// <param name="requests">How many in all.</param>
    /// <param name="recipients">Among how many devices the targets are spread.</param>
    /// <param name="firstSender">The number of the first sender, where other processes have some too.</param>
    /// <param name="ready">What to wait for before the measured part.</param>
    /// <returns>How long each request took, and all of them.</returns>
    public static async Task<(long[] Latencies, TimeSpan Elapsed)> RunAsync(
        IReadOnlyList<IServiceProvider> hosts, Body body, int senders, int requests, int recipients = Body.Recipients, int firstSender = 0,
        Func<Task>? ready = null)
    {
        // Made before: what is measured is the store.
        var messages = Enumerable.Range(0, recipients).Select(first => body.Messages(first, first, recipients)).ToArray();
        var stores = hosts.Select(host => (Transactions: host.GetRequiredService<ITransactionStore>(), Inbox: host.GetRequiredService<IDeviceInbox>())).ToArray();

        // Until then, the time goes into compiling what runs.
        await SendAllAsync("warm", 3_000 / body.Targets / senders + 1, []);
        if (ready is not null) await ready();
        var each = requests / senders;
        var latencies = new long[each * senders];
        var start = Stopwatch.GetTimestamp();
        await SendAllAsync("", each, latencies);
        return (latencies, Stopwatch.GetElapsedTime(start));

        Task SendAllAsync(string prefix, int count, long[] times) => Task.WhenAll(Enumerable.Range(0, senders).Select(sender => Task.Run(async () =>
        {
            for (var i = 0; i < count; i++)
            {
                var began = Stopwatch.GetTimestamp();
                await SendAsync(stores[sender % stores.Length], firstSender + sender, $"{prefix}{i}", (firstSender + sender) * count + i);
                if (times.Length > 0) times[sender * count + i] = Stopwatch.GetElapsedTime(began).Ticks;
            }
        })));

        async Task SendAsync((ITransactionStore Transactions, IDeviceInbox Inbox) store, int sender, string txnId, int number)
        {
            var key = new TransactionKey("@sender:example.org", $"SENDER{sender}", TransactionKey.SendToDevice, "m.room.encrypted", txnId);
            await using var transaction = (await store.Transactions.BeginAsync(key, store.Transactions.KnownRemovals, default))!;
            await store.Inbox.AppendAsync(transaction, messages[number * 7 % recipients], default);
            if (await transaction.CommitAsync(default) != CommitResult.Committed) throw new InvalidOperationException("It was not committed.");
        }
    }
}
