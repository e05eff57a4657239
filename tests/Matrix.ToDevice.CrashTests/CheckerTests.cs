using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>The checker sees what it is for: the same clients, against stores that break a promise.</summary>
[Category("Slow")]
public class CheckerTests
{
    [Test]
    public async Task A_sound_store_that_fails_now_and_then_is_found_clean()
    {
        var result = await RunAsync(new CrashingStore());

        Assert.That(result.IsClean, $"{result}");
    }

    [Test]
    public async Task Record_and_delivery_in_two_transactions_are_found_to_double()
    {
        var result = await RunAsync(new CrashingStore { RecordLater = true });

        Assert.That(result.Duplicated, Is.Positive);
    }

    [Test]
    public async Task A_record_before_the_delivery_is_found_to_lose()
    {
        var result = await RunAsync(new CrashingStore { RecordFirst = true });

        Assert.That(result.Lost, Is.Positive);
    }

    [Test]
    public async Task A_commit_that_was_not_on_the_disk_when_the_power_went_is_found_to_be_lost()
    {
        var result = await RunAsync(new CrashingStore { LosesLatest = true });

        Assert.That(result.Lost, Is.Positive);
    }

    [Test]
    public async Task Positions_from_a_counter_in_memory_are_found_to_lose_or_to_disorder()
    {
        var result = await RunAsync(new CrashingStore { CounterInMemory = true });

        Assert.That(result.Lost + result.OutOfOrder, Is.Positive);
    }

    [Test]
    public void Every_fault_is_counted_as_what_it_is()
    {
        var history = new History();
        for (var number = 0; number < 5; number++)
        {
            history.Sending(0, number, ["R0"]);
            history.Answered(0, number, number == 4 ? History.Outcome.Refused : History.Outcome.Accepted);
        }

        history.ReceivedBy("R0", [new(0, 0), new(0, 0), new(0, 2), new(0, 1), new(0, 4)]);

        Assert.That(Checker.Check(history), Is.EqualTo(new Checker(Lost: 1, Duplicated: 1, OutOfOrder: 1, Unexpected: 1)));
    }

    private static async Task<Checker> RunAsync(CrashingStore store)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(store);
        builder.Services.AddSingleton<ITransactionStore>(store).AddSingleton<IDeviceInbox>(store);
        builder.Services.AddSendToDevice()
            .UseAuth((context, _) => ValueTask.FromResult(Authenticate(context)))
            .UseDirectory<FixedDirectory>();
        await using var app = builder.Build();
        app.MapSendToDevice();
        app.MapToDeviceSync();
        await app.StartAsync();

        var history = new History();
        Account[] senders = [.. Enumerable.Range(0, 4).Select(i => new Account($"@sender{i}:hs1", "S", $"@sender{i}:hs1|S"))];
        Account[] receivers = [.. FixedDirectory.DeviceIds.Select(id => new Account("@receiver:hs1", id, $"@receiver:hs1|{id}"))];
        var clients = new LoadClients(() => new Uri(app.Urls.Single()), () => new Uri(app.Urls.Single()), history, senders, receivers, seed: 1);
        using var stop = new CancellationTokenSource();
        var receiving = clients.ReceiveAsync(stop.Token);
        await clients.SendAsync(atMost: 60, CancellationToken.None);
        await stop.CancelAsync();
        await receiving;
        return Checker.Check(history);
    }

    /// <summary>The token says who it is.</summary>
    private static AuthResult Authenticate(HttpContext context)
    {
        var parts = MatrixAccessToken.Read(context)!.Split('|');
        return AuthResult.Success(parts[0], parts[1]);
    }

    private sealed class FixedDirectory : IDeviceDirectory
    {
        public static readonly string[] DeviceIds = ["R0", "R1"];

        public ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken) =>
            ValueTask.FromResult<IReadOnlyList<UserDevices>>([.. userIds.Select(_ => UserDevices.Local(DeviceIds))]);
    }

    /// <summary>
    /// A store of lists that "crashes" at every few commits: the send is not answered, and what was only in memory is
    /// gone. Each switch breaks one promise.
    /// </summary>
    private sealed class CrashingStore : ITransactionStore, IDeviceInbox
    {
        private const int CrashOneIn = 7;

        private readonly Lock _lock = new();
        private readonly Random _random = new(1);
        private readonly HashSet<TransactionKey> _records = [];
        private readonly Dictionary<DeviceAddress, SortedDictionary<long, ToDeviceMessage>> _rows = [];
        private readonly ConcurrentDictionary<DeviceAddress, long> _counters = [];
        private List<(DeviceAddress Device, long Sequence)> _latest = [];

        public bool RecordLater { get; init; }
        public bool RecordFirst { get; init; }
        public bool LosesLatest { get; init; }
        public bool CounterInMemory { get; init; }

        public long KnownRemovals => 0;

        public CommitResult Commit(Transaction transaction)
        {
            lock (_lock)
            {
                if (_records.Contains(transaction.Key)) return CommitResult.AlreadyCommitted;

                var crashes = _random.Next(CrashOneIn) == 0;
                if (RecordFirst) _records.Add(transaction.Key);
                if (crashes && !RecordLater) throw Crash();
                var written = new List<(DeviceAddress, long)>();
                foreach (var message in transaction.Messages)
                {
                    var sequence = _counters.AddOrUpdate(message.Recipient, 1, (_, last) => last + 1);
                    if (!_rows.TryGetValue(message.Recipient, out var rows)) _rows.Add(message.Recipient, rows = []);
                    rows[sequence] = message with { Content = message.Content.ToArray() };
                    written.Add((message.Recipient, sequence));
                }

                _latest = written;
                if (crashes && RecordLater) throw Crash();
                _records.Add(transaction.Key);
                return CommitResult.Committed;
            }
        }

        private InvalidOperationException Crash()
        {
            if (CounterInMemory) _counters.Clear();
            if (LosesLatest)
                foreach (var (device, sequence) in _latest) _rows[device].Remove(sequence);
            return new InvalidOperationException("crash");
        }

        public ValueTask<IToDeviceTransaction?> BeginAsync(TransactionKey key, long knownRemovals, CancellationToken cancellationToken) =>
            ValueTask.FromResult<IToDeviceTransaction?>(new Transaction(this, key));

        public ValueTask<int> PurgeAsync(string endpoint, DateTimeOffset lastUsedBefore, int atMost, CancellationToken cancellationToken) => ValueTask.FromResult(0);

        public ValueTask AppendAsync(
            IToDeviceTransaction transaction, IReadOnlyList<ToDeviceMessage> messages, CancellationToken cancellationToken)
        {
            ((Transaction)transaction).Messages.AddRange(messages);
            return ValueTask.CompletedTask;
        }

        public ValueTask<InboxPage> ReadAsync(
            DeviceAddress device, InboxPosition after, int limit, int maxBytes, CancellationToken cancellationToken)
        {
            lock (_lock)
            {
                var rows = _rows.GetValueOrDefault(device) ?? [];
                var page = rows.Where(row => row.Key > after.Sequence).Take(limit).Select(row => new InboxMessage(
                    new InboxPosition(row.Key, row.Value.SendId), row.Value.Sender, row.Value.EventType, row.Value.Content)).ToList();
                return ValueTask.FromResult(new InboxPage(page, page.Count < rows.Count));
            }
        }

        public ValueTask<int> AcknowledgeAsync(DeviceAddress device, InboxPosition upTo, CancellationToken cancellationToken)
        {
            lock (_lock)
            {
                if (!_rows.TryGetValue(device, out var rows)) return ValueTask.FromResult(0);
                if (!rows.TryGetValue(upTo.Sequence, out var message) || message.SendId != upTo.SendId) return ValueTask.FromResult(0);
                var acknowledged = rows.Keys.Where(sequence => sequence <= upTo.Sequence).ToList();
                foreach (var sequence in acknowledged) rows.Remove(sequence);
                return ValueTask.FromResult(acknowledged.Count);
            }
        }

        public ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        internal sealed class Transaction(CrashingStore store, TransactionKey key) : IToDeviceTransaction
        {
            public TransactionKey Key => key;
            public List<ToDeviceMessage> Messages { get; } = [];
            public ValueTask<CommitResult> CommitAsync(CancellationToken cancellationToken) => ValueTask.FromResult(store.Commit(this));
            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }
}
