using System.Globalization;
using Microsoft.EntityFrameworkCore;

namespace Matrix.ToDevice.Tests;

/// <summary>The connection breaks when PostgreSQL has carried a commit out, and before its answer is there.</summary>
public class LostAnswerTests
{
    // As it is on the wire, where another statement says READ COMMITTED.
    private const string Commit = "COMMIT\0";

    private readonly PostgreSqlDatabases _databases = new();
    private string _name = null!;
    private TestProxy _proxy = null!;
    private EntityFrameworkHost _host = null!, _other = null!;

    [SetUp]
    public void Open()
    {
        _name = TestStore.NewName();
        TestStore.Create(_databases, _name);
        _proxy = new TestProxy(TestServers.PostgreSql.Port);
        _other = new EntityFrameworkHost(options => _databases.Use(options, _name));
    }

    [TearDown]
    public async Task CloseAsync()
    {
        await _host.DisposeAsync();
        await _other.DisposeAsync();
        _proxy.Dispose();
        await _databases.DeleteAsync(_name);
    }

    [Test]
    public async Task D4_a_send_whose_answer_is_lost_is_committed_once([Values] bool hasStrategy)
    {
        await StartAsync(hasStrategy);
        _proxy.LoseAnswerTo = Commit;
        Assert.That(await _host.SendAsync("t1", "1", ["B1", "B2"], servers: ["hs2"]), Is.EqualTo(CommitResult.Committed));
        Assert.That(_proxy.LostAnswers, Is.EqualTo(1));
        Assert.That(await _other.ReadAsync("B1"), Is.EqualTo(new[] { "0", "1" }));
        Assert.That((await _other.Outbox.ReadAsync("hs2", 0, 10, default)).Count, Is.EqualTo(1));
        Assert.That(await _other.SendAsync("t1", "1", ["B1", "B2"]), Is.EqualTo(CommitResult.AlreadyCommitted));
    }

    [Test]
    public async Task D6_a_removal_whose_answer_is_lost_is_made([Values] bool hasStrategy)
    {
        await StartAsync(hasStrategy);
        var before = _other.Transactions.KnownRemovals;
        _proxy.LoseAnswerTo = Commit;
        await _host.Inbox.RemoveDeviceAsync(EntityFrameworkHost.Bob("B1"), default);
        Assert.That(_proxy.LostAnswers, Is.EqualTo(1));
        Assert.That(await _other.ReadAsync("B1"), Is.Empty);
        Assert.That(await _other.SendAsync("t1", "1", ["B1"], knownRemovals: before), Is.EqualTo(CommitResult.DeviceRemoved));
        Assert.That(await _host.SendAsync("t1", "1", "B1"), Is.EqualTo(CommitResult.Committed));
    }

    [Test]
    public async Task Connections_that_break_on_their_way_are_no_failure([Values] bool hasStrategy)
    {
        await StartAsync(hasStrategy);
        foreach (var words in (string[])["locked_by", "to_device_message", "BEGIN"])
        {
            _proxy.LoseAnswerTo = words;
            Assert.That(await _host.SendAsync(words, words, "B1"), Is.EqualTo(CommitResult.Committed));
        }

        Assert.That(_proxy.LostAnswers, Is.EqualTo(3));
        Assert.That(await _other.ReadAsync("B1"), Is.EqualTo(new[] { "0", "locked_by", "to_device_message", "BEGIN" }));
    }

    private async Task StartAsync(bool hasStrategy)
    {
        var connection = string.Create(
            CultureInfo.InvariantCulture, $"Host=127.0.0.1;Port={_proxy.Port};Username=postgres;Database={_name};SSL Mode=Disable;GSS Encryption Mode=Disable");
        _host = new EntityFrameworkHost(options => options.UseNpgsql(connection, npgsql =>
        {
            if (hasStrategy) npgsql.EnableRetryOnFailure();
        }));
        Assert.That(await _host.SendAsync("t0", "0", ["B1", "B2"]), Is.EqualTo(CommitResult.Committed));
    }
}
