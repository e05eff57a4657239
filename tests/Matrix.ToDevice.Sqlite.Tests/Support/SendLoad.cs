using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// Devices of <c>@alice:hs1</c> that send to devices of <c>@bob:hs1</c>, which read and acknowledge, all at once; and what
/// has been promised to them so far. Sender s sends its messages 1, 2, 3, … one after the other, each until it is accepted.
/// </summary>
internal sealed class SendLoad : IDisposable
{
    private const int Senders = 6, Readers = 3;

    private readonly int[] _started = new int[Senders], _accepted = new int[Senders];
    private readonly long[] _acknowledging = new long[Devices], _acknowledged = new long[Devices];
    private readonly ConcurrentQueue<string>[] _seen = [.. Enumerable.Range(0, Devices).Select(_ => new ConcurrentQueue<string>())];
    private readonly SemaphoreSlim _news = new(0);
    private readonly TaskCompletionSource _firstAccepted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    public const int Devices = 20;

    /// <summary>Completes when a send has been accepted.</summary>
    public Task FirstAccepted => _firstAccepted.Task;

    public void Start(SqliteStores store) => _running = Task.WhenAll(
        [.. Enumerable.Range(0, Senders).Select(sender => Task.Run(() => SendAllAsync(store, sender))),
            .. Enumerable.Range(0, Readers).Select(reader => Task.Run(() => ReadAllAsync(store, reader)))]);

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _running;
    }

    /// <summary>What has been answered and seen until now.</summary>
    public Answers Answered() => new(Snapshot(_accepted), Snapshot(_acknowledged), [.. _seen.Select(seen => seen.Count)]);

    /// <summary>What may have been stored until now.</summary>
    public Requests Requested() => new(Snapshot(_started), Snapshot(_acknowledging));

    /// <summary>
    /// Uses a store that was opened on what a crash has left. What is left is the beginning of what was there, as those saw
    /// it who were looking. Then every send that was ever begun is retried, and every inbox must hold, from the first
    /// message that its device has not acknowledged, what was sent to it, each message once, in each sender's order,
    /// numbered without a gap.
    /// </summary>
    /// <param name="store">The store.</param>
    /// <param name="before">What had been answered before the crash.</param>
    /// <param name="after">What had been asked for when the crash was over.</param>
    public async Task<Losses> CheckAsync(SqliteStores store, Answers before, Requests after)
    {
        var left = new List<string>[Devices];
        for (var device = 0; device < Devices; device++) left[device] = (await ReadAsync(store, device)).Contents;

        var lost = 0;
        await Task.WhenAll(Enumerable.Range(0, Senders).Select(async sender =>
        {
            // Begun in order, so queued in order.
            var retries = await Task.WhenAll(Enumerable.Range(1, after.Started[sender]).Select(n => SendAsync(store, sender, n)));
            var first = retries.AsSpan().IndexOf(CommitResult.Committed);
            if (first < 0) return;
            Assert.That(retries[first..], Is.All.EqualTo(CommitResult.Committed), "what is lost is the end");
            Interlocked.Add(ref lost, Math.Max(0, before.Accepted[sender] - first));
        }));
        await SendAsync(store, "last", "last", Enumerable.Range(0, Devices));

        var (lostAgain, cameBack) = (0L, 0L);
        for (var device = 0; device < Devices; device++)
        {
            var (contents, sequences) = await ReadAsync(store, device);
            var deleted = sequences[0] - 1;
            cameBack += Math.Max(0, before.Acknowledged[device] - deleted);
            Assert.That(deleted, Is.LessThanOrEqualTo(after.Acknowledging[device]), "only what was acknowledged is deleted");
            Assert.That(sequences, Is.EqualTo(Enumerable.Range(0, sequences.Count).Select(i => deleted + 1 + i)), "D12: counted without a gap");

            var seen = _seen[device].ToList();
            var seenThen = seen[(int)Math.Min(deleted, before.Seen[device])..before.Seen[device]];
            var both = Math.Min(seenThen.Count, left[device].Count);
            Assert.That(left[device][..both], Is.EqualTo(seenThen[..both]), "what is left of what was seen is its beginning");
            lostAgain += seenThen.Count - both;

            Assert.That(contents[^1], Is.EqualTo("last"));
            List<string> all = [.. seen[..(int)deleted], .. contents[..^1]];
            for (var sender = 0; sender < Senders; sender++)
            {
                Assert.That(
                    all.Where(content => content.StartsWith($"{sender}:", StringComparison.Ordinal)),
                    Is.EqualTo(Enumerable.Range(1, after.Started[sender]).Where(n => Recipients(sender, n).Contains(device)).Select(n => Content(sender, n))),
                    $"sender {sender}'s messages to device {device}: each once, in order");
            }
        }

        return new Losses(lost, lostAgain, cameBack);
    }

    public void Dispose()
    {
        _news.Dispose();
        _stop.Dispose();
    }

    private static IEnumerable<int> Recipients(int sender, int n) =>
        n % 7 == 0 ? Enumerable.Range(0, Devices)
        : n % 3 == 0 ? Enumerable.Range(sender + n, 4).Select(device => device % Devices)
        : [(sender * 5 + n) % Devices];

    private static string Content(int sender, int n) =>
        string.Create(CultureInfo.InvariantCulture, $"{sender}:{n}:{new string('x', n % 11 == 0 ? 9000 : n * 131 % 600)}");

    private static DeviceAddress Address(int device) => new("@bob:hs1", $"B{device}");

    private static async Task<(List<string> Contents, List<long> Sequences)> ReadAsync(SqliteStores store, int device)
    {
        var (contents, sequences, after) = (new List<string>(), new List<long>(), InboxPosition.Start);
        while (true)
        {
            using var page = await store.Inbox.ReadAsync(Address(device), after, 1000, default);
            contents.AddRange(page.Messages.Select(message => Encoding.UTF8.GetString(message.Content.Span)));
            sequences.AddRange(page.Messages.Select(message => message.Position.Sequence));
            if (!page.HasMore) return (contents, sequences);
            after = page.Messages[^1].Position;
        }
    }

    private static Task<CommitResult> SendAsync(SqliteStores store, int sender, int n) =>
        SendAsync(store, $"A{sender}", Content(sender, n), Recipients(sender, n), $"t{n}");

    private static async Task<CommitResult> SendAsync(
        SqliteStores store, string sender, string content, IEnumerable<int> recipients, string txnId = "t")
    {
        var key = new TransactionKey("@alice:hs1", sender, TransactionKey.SendToDevice, "m.test", txnId);
        await using var transaction = (await store.Transactions.BeginAsync(key, store.Transactions.KnownRemovals, default))!;
        var bytes = Encoding.UTF8.GetBytes(content);
        var sendId = Random.Shared.NextInt64();
        await store.Inbox.AppendAsync(
            transaction, [.. recipients.Select(device => new ToDeviceMessage(Address(device), "@alice:hs1", "m.test", bytes, sendId))], default);
        return await transaction.CommitAsync(default);
    }

    private async Task SendAllAsync(SqliteStores store, int sender)
    {
        for (var n = 1; !_stop.IsCancellationRequested; n++)
        {
            Volatile.Write(ref _started[sender], n);
            await UntilItWorksAsync(async () =>
            {
                if (n % 4 != 0) return await SendAsync(store, sender, n);
                var both = await Task.WhenAll(SendAsync(store, sender, n), SendAsync(store, sender, n));
                Assert.That(both.Count(result => result == CommitResult.Committed), Is.LessThanOrEqualTo(1));
                return both[0];
            });
            Volatile.Write(ref _accepted[sender], n);
            _news.Release();
            _firstAccepted.TrySetResult();
            if (n % 5 == 0)
                Assert.That(await UntilItWorksAsync(() => SendAsync(store, sender, n)), Is.EqualTo(CommitResult.AlreadyCommitted));
        }
    }

    private async Task ReadAllAsync(SqliteStores store, int reader)
    {
        var last = new InboxPosition[Devices];
        for (var turn = 1; !_stop.IsCancellationRequested; turn++)
        {
            try
            {
                await _news.WaitAsync(_stop.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            for (var device = reader; device < Devices; device += Readers)
            {
                using var page = await UntilItWorksAsync(() => store.Inbox.ReadAsync(Address(device), last[device], 1 + turn % 9, int.MaxValue, default).AsTask());
                foreach (var message in page.Messages)
                {
                    _seen[device].Enqueue(Encoding.UTF8.GetString(message.Content.Span));
                    last[device] = message.Position;
                }

                if (page.Messages.Count == 0 || (turn + device) % 3 == 0) continue;
                Volatile.Write(ref _acknowledging[device], last[device].Sequence);
                await UntilItWorksAsync(() => store.Inbox.AcknowledgeAsync(Address(device), last[device], default).AsTask());
                Volatile.Write(ref _acknowledged[device], last[device].Sequence);
            }
        }
    }

    /// <summary>As a client does it: after an error, the same once more.</summary>
    private static async Task<T> UntilItWorksAsync<T>(Func<Task<T>> request)
    {
        while (true)
        {
            try
            {
                return await request();
            }
            catch (SqliteStoreException)
            {
                await TimeLimit.OneMoreTurnAsync();
            }
        }
    }

    private static int[] Snapshot(int[] values) => [.. values.Select((_, i) => Volatile.Read(ref values[i]))];

    private static long[] Snapshot(long[] values) => [.. values.Select((_, i) => Volatile.Read(ref values[i]))];

    /// <param name="Accepted">For each sender, its last message whose send was answered.</param>
    /// <param name="Acknowledged">For each device, the last sequence number whose acknowledgement was answered.</param>
    /// <param name="Seen">For each device, how many messages it has seen.</param>
    internal sealed record Answers(int[] Accepted, long[] Acknowledged, int[] Seen);

    /// <param name="Accepted">How many accepted sends were lost.</param>
    /// <param name="Seen">How many messages were lost that their devices had seen and not acknowledged.</param>
    /// <param name="Acknowledged">How many acknowledged messages came back.</param>
    internal sealed record Losses(int Accepted, long Seen, long Acknowledged)
    {
        public static Losses None { get; } = new(0, 0, 0);
    }

    /// <param name="Started">For each sender, its last message that was sent.</param>
    /// <param name="Acknowledging">For each device, the last sequence number that it has acknowledged, answered or not.</param>
    internal sealed record Requests(int[] Started, long[] Acknowledging);
}
