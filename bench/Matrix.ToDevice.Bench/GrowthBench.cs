using System.Diagnostics;
using Matrix.ToDevice.Tests;

namespace Matrix.ToDevice.Bench;

/// <summary>What a send, a page and an acknowledgement cost when more and more is pending: in many inboxes, in one, and in the outbox.</summary>
internal static class GrowthBench
{
    private const int Page = 100, Samples = 200, PerCommit = 1000;
    private static readonly TimeSpan s_hour = TimeSpan.FromHours(1);
    private static readonly byte[] s_content = Body.All[0].Content;

    /// <param name="store"><c>memory</c>, <c>sqlite</c> or <c>postgresql</c>.</param>
    /// <param name="most">The most messages, a power of ten.</param>
    public static async Task RunAsync(string store, int most)
    {
        Figures.Print("Medians of {0} in microseconds, one caller, contents of 300 bytes; {1} messages for each device, which came in turn.\n", Samples, Page);
        Figures.Print("| {0}: messages pending | devices | send | page of 100 | its acknowledgement | memory of each message, bytes |", store);
        Figures.Print("|---|---|---|---|---|---|");
        for (var messages = 1000; messages <= most; messages *= 10) await WithStoreAsync(store, host => InManyInboxesAsync(host, messages, store == "memory"));

        Figures.Print("\n| {0}: messages in one inbox | send to it | first page | its acknowledgement | acknowledging all | others' sends meanwhile: p50 | longest |", store);
        Figures.Print("|---|---|---|---|---|---|---|");
        for (var messages = 1000; messages <= Math.Min(most, 1_000_000); messages *= 10) await WithStoreAsync(store, host => InOneInboxAsync(host, messages));

        Figures.Print("\n| {0}: EDUs to one server | and one to each of so many | EDU to it | reading 100 of it | taking 16 servers and giving them back |", store);
        Figures.Print("|---|---|---|---|---|");
        foreach (var (edus, servers) in ((int, int)[])[(1000, 16), (1000, 10_000), (Math.Min(most, 1_000_000), 16)])
            await WithStoreAsync(store, host => InTheOutboxAsync(host, edus, servers));
    }

    private static async Task WithStoreAsync(string store, Func<IServiceProvider, Task> measure)
    {
        using var folder = new TemporaryFolder();
        using var cluster = store == HttpTarget.PostgreSql ? HttpBench.StartDatabase() : null;
        var services = new ServiceCollection();
        var toDevice = services.AddSendToDevice();
        if (store == "memory") toDevice.UseInMemory(options => options.CapacityBytes = long.MaxValue);
        else if (store == "sqlite") toDevice.UseSqlite($"Data Source={folder.File("growth.db")}");
        else toDevice.UsePostgreSql(cluster!.ConnectionString);
        await using var host = services.BuildServiceProvider();
        await measure(host);
    }

    private static async Task InManyInboxesAsync(IServiceProvider host, int messages, bool isInMemory)
    {
        var (transactions, inbox) = Of(host);
        var devices = messages / Page;
        var before = isInMemory ? GC.GetTotalMemory(forceFullCollection: true) : 0;
        for (var n = 0; n < messages; n += PerCommit)
            await CommitAsync(transactions, inbox, $"fill{n}", Enumerable.Range(n, PerCommit).Select(id => Message(id % devices, id)));
        var bytes = isInMemory ? (GC.GetTotalMemory(forceFullCollection: true) - before) / messages : 0;

        List<double> sends = [], pages = [], acknowledgements = [];
        for (var sample = -Samples; sample < Samples; sample++)
        {
            // The first ones are for the compiler. Each inbox is as full afterwards as before.
            var device = (int)((sample + Samples) * 7919L % devices);
            using var page = await TimeAsync(pages, () => inbox.ReadAsync(Device(device), InboxPosition.Start, Page, int.MaxValue, default));
            var last = page.Messages[^1].Position;
            await TimeAsync(acknowledgements, () => inbox.AcknowledgeAsync(Device(device), last, default));
            await TimeAsync(sends, () => CommitAsync(transactions, inbox, $"{sample}", [Message(device, 0)]));
            await CommitAsync(transactions, inbox, $"{sample} more", Enumerable.Range(1, Page - 1).Select(id => Message(device, id)));
        }

        Figures.Print(
            "| {0:N0} | {1:N0} | {2:N0} | {3:N0} | {4:N0} | {5} |", messages, devices,
            Median(sends), Median(pages), Median(acknowledgements), isInMemory ? bytes : "");
    }

    private static async Task InOneInboxAsync(IServiceProvider host, int messages)
    {
        var (transactions, inbox) = Of(host);
        for (var n = 0; n < messages; n += PerCommit)
            await CommitAsync(transactions, inbox, $"fill{n}", Enumerable.Range(n, PerCommit).Select(id => Message(0, id)));
        for (var n = 0; n < Samples; n++) await CommitAsync(transactions, inbox, $"warm{n}", [Message(1, n)]);

        List<double> sends = [], pages = [], acknowledgements = [], all = [], others = [];
        var last = InboxPosition.Start;
        for (var sample = 0; sample < Math.Min(Samples, messages / Page / 2); sample++)
        {
            using var page = await TimeAsync(pages, () => inbox.ReadAsync(Device(0), InboxPosition.Start, Page, int.MaxValue, default));
            last = page.Messages[^1].Position;
            await TimeAsync(acknowledgements, () => inbox.AcknowledgeAsync(Device(0), last, default));
            await TimeAsync(sends, () => CommitAsync(transactions, inbox, $"{sample}", [Message(0, sample)]));
        }

        using (var end = await inbox.ReadAsync(Device(0), new InboxPosition(messages - 2, 0), Page, int.MaxValue, default)) last = end.Messages[^1].Position;
        var acknowledging = TimeAsync(all, () => inbox.AcknowledgeAsync(Device(0), last, default));
        for (var n = 0; n < Samples || !acknowledging.IsCompleted; n++)
            await TimeAsync(others, () => CommitAsync(transactions, inbox, $"other{n}", [Message(1, n)]));
        await acknowledging;
        Figures.Print(
            "| {0:N0} | {1:N0} | {2:N0} | {3:N0} | {4:N0} | {5:N0} | {6:N0} |", messages,
            Median(sends), Median(pages), Median(acknowledgements), all[0], Median(others), others.Max());
    }

    private static async Task InTheOutboxAsync(IServiceProvider host, int edus, int servers)
    {
        var (transactions, outbox) = (host.GetRequiredService<ITransactionStore>(), host.GetRequiredService<IFederationOutbox>());
        for (var n = 0; n < edus; n += PerCommit)
            await CommitAsync(transactions, outbox, $"fill{n}", Enumerable.Range(n, PerCommit).Select(id => Edu("dead.example.org", id)));
        for (var n = 0; n < servers; n += 16)
            await CommitAsync(transactions, outbox, $"each{n}", Enumerable.Range(n, 16).Select(id => Edu($"hs{id}.example.org", id)));

        List<double> sends = [], reads = [], leases = [];
        for (var sample = -Samples; sample < Samples; sample++)
        {
            await TimeAsync(sends, () => CommitAsync(transactions, outbox, $"{sample}", [Edu("dead.example.org", sample)]));
            await TimeAsync(reads, () => outbox.ReadAsync("dead.example.org", Page));
            await TimeAsync(leases, async () =>
            {
                foreach (var lease in await outbox.AcquireAsync("holder", s_hour, 16))
                    await outbox.ReleaseAsync(lease.Destination, "holder", 0, TimeSpan.Zero, default);
                return 0;
            });
        }

        Figures.Print("| {0:N0} | {1:N0} | {2:N0} | {3:N0} | {4:N0} |", edus, servers, Median(sends), Median(reads), Median(leases));
    }

    private static (ITransactionStore Transactions, IDeviceInbox Inbox) Of(IServiceProvider host) =>
        (host.GetRequiredService<ITransactionStore>(), host.GetRequiredService<IDeviceInbox>());

    private static DeviceAddress Device(int number) => new(Body.UserId(number), Body.DeviceId);

    private static ToDeviceMessage Message(int device, int id) => new(Device(device), "@sender:example.org", "m.room.encrypted", s_content, id);

    private static OutboundEdu Edu(string destination, int id) => new(destination, $"id{id}", s_content);

    private static ValueTask<CommitResult> CommitAsync(
        ITransactionStore transactions, IDeviceInbox inbox, string txnId, IEnumerable<ToDeviceMessage> messages) =>
        StoreLoad.CommitAsync(transactions, txnId, transaction => inbox.AppendAsync(transaction, [.. messages], default));

    private static ValueTask<CommitResult> CommitAsync(
        ITransactionStore transactions, IFederationOutbox outbox, string txnId, IEnumerable<OutboundEdu> edus) =>
        StoreLoad.CommitAsync(transactions, txnId, transaction => outbox.AppendAsync(transaction, [.. edus], default));

    private static async Task<T> TimeAsync<T>(List<double> times, Func<ValueTask<T>> work)
    {
        var start = Stopwatch.GetTimestamp();
        var result = await work();
        times.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
        return result;
    }

    // Of the second half: what comes before is compiled meanwhile.
    private static double Median(List<double> times) => times.Skip(times.Count / 2).Order().ElementAt((times.Count - (times.Count / 2)) / 2);
}
