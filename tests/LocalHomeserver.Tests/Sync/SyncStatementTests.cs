using System.Collections.Concurrent;
using System.Diagnostics;
using Npgsql;

namespace LocalHomeserver.Tests;

/// <summary>
/// What a sync asks the database, of all requests the most frequent one. Npgsql tells of each statement; those of other tests go to other
/// databases.
/// </summary>
internal sealed class SyncStatementTests
{
    private readonly ConcurrentQueue<string> _statements = new();
    private string _database = null!;
    private ActivityListener _listener = null!;
    private Homeserver _server = null!;

    [SetUp]
    public async Task Start()
    {
        _database = PostgreSql.NewDatabase();
        var name = new NpgsqlConnectionStringBuilder(_database).Database;
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "Npgsql",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity =>
            {
                var tags = activity.TagObjects.Select(tag => tag.Value as string).ToList();
                // Opened connections are told of too, without a statement.
                if (tags.Contains(name) && tags.FirstOrDefault(tag => tag?.Contains("SELECT", StringComparison.Ordinal) == true) is { } statement)
                    _statements.Enqueue(statement);
            },
        };
        ActivitySource.AddActivityListener(_listener);
        _server = await Homeserver.StartAsync("postgresql", PostgreSql.Setting, _database);
    }

    [TearDown]
    public async Task Stop()
    {
        if (_server is not null) await _server.DisposeAsync();
        _listener.Dispose();
    }

    [Test]
    public async Task D25_a_sync_that_finds_nothing_asks_who_it_is_and_for_other_news()
    {
        var device = await _server.RegisterAsync();
        var since = (await device.SyncAsync((await device.SyncAsync()).NextBatch)).NextBatch;

        Assert.That(await AskedAsync(() => device.SyncAsync(since)), Is.EqualTo(new[] { "token", "key_position" }));
    }

    [Test]
    public async Task D25_a_sync_that_waits_and_finds_nothing_asks_once_more_who_it_is()
    {
        var device = await _server.RegisterAsync();
        var since = (await device.SyncAsync((await device.SyncAsync()).NextBatch)).NextBatch;

        Assert.That(await AskedAsync(() => device.SyncAsync(since, timeout: 1)), Is.EqualTo(new[] { "token", "key_position", "token" }));
    }

    /// <summary>The statements of a request, by their first table. The look for changes on other hosts is nobody's request.</summary>
    private async Task<IEnumerable<string>> AskedAsync(Func<Task> request)
    {
        // Some are prepared, and what a connection asks about itself it has asked.
        for (var n = 0; n < 10; n++) await request();
        _statements.Clear();
        await request();
        return _statements.Where(statement => statement != "SELECT position FROM local_homeserver.key_position")
            .Select(statement => statement[(statement.IndexOf("local_homeserver.", StringComparison.Ordinal) + 17)..].Split(' ')[0]);
    }
}
