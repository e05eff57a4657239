using System.Collections.Concurrent;
using System.Diagnostics;

namespace Matrix.ToDevice.Bench;

/// <summary>A host on one layout, and what is done with it: each sender is a user, so that senders and recipients are in all buckets.</summary>
internal sealed class MachinesLoad : IAsyncDisposable
{
    public const int ContentBytes = 1024;
    private const int PerPage = 10;
    private static readonly byte[] s_content = new Body("", 1, ContentBytes).Content;
    private static readonly TimeSpan s_time = TimeSpan.FromSeconds(2);
    private static int s_filled;

    private readonly ServiceProvider _host;
    private readonly string _schema;

    private MachinesLoad(string name, string schema, ServiceProvider host, IReadOnlyList<DatabaseNode> nodes) =>
        (Name, _schema, _host, Nodes) = (name, schema, host, nodes);

    /// <summary>What is done.</summary>
    public static IReadOnlyList<Operation> Operations { get; } =
    [
        new("send to a device of another user", (load, sender, n) => load.SendAsync(sender, [User(n)])),
        new("send to one's own other device", (load, sender, _) => load.SendAsync(sender, [sender])),
        new("send to 20 devices of 20 users", (load, sender, n) => load.SendAsync(sender, [.. Enumerable.Range(n, 20).Select(User)])),
        new("look into an empty inbox", (load, sender, _) => load.LookAsync($"{sender}x")),
        new($"read and acknowledge {PerPage} messages", (load, _, n) => load.TakeAsync(Reader(n)))
        {
            // A page for a device of its own, from another device of the same user.
            Fill = (load, n) => load.SendAsync(Reader(n), [.. Enumerable.Repeat(Reader(n), PerPage)]),
        },
    ];

    public string Name { get; }

    public IReadOnlyList<DatabaseNode> Nodes { get; }

    private ITransactionStore Transactions => _host.GetRequiredService<ITransactionStore>();

    private IDeviceInbox Inbox => _host.GetRequiredService<IDeviceInbox>();

    /// <summary>On new tables, and with all connections that it needs.</summary>
    public static async Task<MachinesLoad> CreateAsync(
        string name, string connectionString, string schema, PostgreSqlLayout layout, IReadOnlyList<DatabaseNode> nodes)
    {
        var services = new ServiceCollection();
        services.AddSendToDevice().UsePostgreSql(options => (options.ConnectionString, options.Schema, options.Layout) = (connectionString, schema, layout));
        var load = new MachinesLoad(name, schema, services.BuildServiceProvider(), nodes);
        await load.DropAsync();
        // Makes the tables.
        await load.Inbox.RemoveDeviceAsync(Device("@nobody:example.org"), default);
        foreach (var operation in Operations) await (await load.Prepare(operation, 64)())();
        return load;
    }

    /// <summary>Makes what an operation needs, and gives what is to be measured.</summary>
    public Func<Task<Func<Task<Figures>>>> Prepare(Operation operation, int senders) => async () =>
    {
        var (first, most) = (s_filled, int.MaxValue);
        if (operation.Fill is { } fill)
        {
            most = senders == 1 ? 300 : 2_500;
            await Parallel.ForAsync(first, s_filled += most, new ParallelOptions { MaxDegreeOfParallelism = 64 }, async (n, _) => await fill(this, n));
        }

        await NothingWaitsAsync();
        return async () =>
        {
            var figures = await SendersAsync(senders, most, (sender, n) => operation.Run(this, $"@sender{sender}:example.org", first + n));
            await NothingWaitsAsync();
            return figures;
        };
    };

    /// <summary>Senders that do something, each one after the other, for two seconds or until it was done so often.</summary>
    public static async Task<Figures> SendersAsync(int senders, int most, Func<int, int, Task> run)
    {
        var latencies = new ConcurrentBag<long>();
        var (start, next) = (Stopwatch.GetTimestamp(), 0);
        await Task.WhenAll(Enumerable.Range(0, senders).Select(sender => Task.Run(async () =>
        {
            for (int n; Stopwatch.GetElapsedTime(start) < s_time && (n = Interlocked.Increment(ref next) - 1) < most;)
            {
                var began = Stopwatch.GetTimestamp();
                await run(sender, n);
                latencies.Add(Stopwatch.GetElapsedTime(began).Ticks);
            }
        })));
        return Figures.Of([.. latencies], Stopwatch.GetElapsedTime(start));
    }

    public Task DropAsync() => Nodes[0].ExecuteAsync($"DROP SCHEMA IF EXISTS {_schema} CASCADE");

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    private static string User(int number) => Body.UserId(number * 7 % Body.Recipients);

    private static DeviceAddress Device(string userId) => new(userId, Body.DeviceId);

    private static string Reader(int number) => $"@reader{number}:example.org";

    private async Task LookAsync(string user) => (await Inbox.ReadAsync(Device(user), InboxPosition.Start, 100, int.MaxValue, default)).Dispose();

    private async Task TakeAsync(string user)
    {
        using var page = await Inbox.ReadAsync(Device(user), InboxPosition.Start, 100, int.MaxValue, default);
        await Inbox.AcknowledgeAsync(Device(user), page.Messages[^1].Position, default);
    }

    private async Task SendAsync(string sender, IReadOnlyList<string> recipients) => await StoreLoad.CommitAsync(
        Transactions, $"{Guid.NewGuid():N}",
        transaction => Inbox.AppendAsync(
            transaction, [.. recipients.Select((user, id) => new ToDeviceMessage(Device(user), sender, "m.room.encrypted", s_content, id))], default),
        sender);

    /// <summary>What is forgotten behind an answer belongs to what was answered.</summary>
    private async Task NothingWaitsAsync()
    {
        if (_schema.EndsWith("_one", StringComparison.Ordinal)) return;
        while (await Nodes[0].NumberAsync($"SELECT count(*) FROM {_schema}.to_device_intent") > 0) await Task.Delay(100);
    }

    /// <param name="Name">What it is.</param>
    /// <param name="Run">The operation, of a sender, with a number that no other has in a run.</param>
    public sealed record Operation(string Name, Func<MachinesLoad, string, int, Task> Run)
    {
        /// <summary>What has to be there for it.</summary>
        public Func<MachinesLoad, int, Task>? Fill { get; init; }
    }
}
