using static Matrix.ToDevice.Tests.Filled;

namespace Matrix.ToDevice.Tests;

[TestFixture(TestStore.Sqlite)]
[TestFixture(TestStore.PostgreSql)]
[TestFixture(TestStore.CitusReady)]
internal sealed class PurgeTests(string kind)
{
    private TestStore _store = null!;

    [SetUp]
    public async Task FillAsync()
    {
        _store = new TestStore(kind);
        await using var host = await _store.OpenAsync();
        await Filled.FillAsync(host);
    }

    [TearDown]
    public void Close() => _store.Dispose();

    [Test]
    public async Task A_purged_device_goes_on_its_tokens_and_numbers_too()
    {
        InboxPosition given;
        await using (var host = await _store.OpenAsync()) given = await host.PositionAsync(Bob, 0);

        var run = await ToolRun.FineAsync("purge", "device", _store.Address, Bob.UserId, Bob.DeviceId, "--yes", "--json");

        Assert.That(run.Json.GetProperty("inboxes")[0].GetProperty("messages").GetInt32(), Is.EqualTo(3));
        await using var after = await _store.OpenAsync();
        Assert.That(await after.ReadAsync(Bob), Is.Empty);
        Assert.That(await after.ReadAsync(Odd), Has.Count.EqualTo(1), "nobody else's");
        await after.SendAsync(Key("later"), [Message(Bob, 20)]);
        Assert.That(await after.Inbox.AcknowledgeAsync(Bob, given, default), Is.Zero, "an old token deletes nothing");
        Assert.That((await after.PositionAsync(Bob, 0)).Sequence, Is.EqualTo(6));
        Assert.That(await after.SendAsync(Key("bob1"), [Message(Bob, 1)]), Is.EqualTo(CommitResult.AlreadyCommitted), "retries are known");
    }

    [Test]
    public async Task D6_a_removed_device_is_gone_with_its_records()
    {
        await ToolRun.FineAsync("purge", "device", _store.Address, Alice.UserId, Alice.DeviceId, "--remove", "--yes");

        await using var after = await _store.OpenAsync();
        var result = await after.SendAsync(Key("bob1"), []);
        // Over many machines, a host learns of a removal when it is refused.
        if (kind == TestStore.CitusReady && result == CommitResult.DeviceRemoved) result = await after.SendAsync(Key("bob1"), []);
        Assert.That(result, Is.EqualTo(CommitResult.Committed));
    }

    [Test]
    public async Task A_user_is_purged_on_all_devices()
    {
        await ToolRun.FineAsync("purge", "user", _store.Address, Bob.UserId, "--yes");

        await using var after = await _store.OpenAsync();
        Assert.That(await after.ReadAsync(Bob), Is.Empty);
        await after.SendAsync(Key("later"), [Message(BobToo, 20)]);
        Assert.That((await after.PositionAsync(BobToo, 0)).Sequence, Is.EqualTo(3));
    }

    [Test]
    public async Task What_waits_for_a_dead_destination_is_given_up_and_for_others_it_is_not()
    {
        var run = await ToolRun.FineAsync("purge", "destination", _store.Address, Failing, "--yes", "--json");

        Assert.That(run.Json.GetProperty("edus").GetInt32(), Is.EqualTo(3));
        await using (var after = await _store.OpenAsync())
        {
            Assert.That(await after.Outbox.ReadAsync(Failing, 0, 10, default), Is.Empty);
            Assert.That(await after.Outbox.ReadAsync(Healthy, 0, 10, default), Has.Count.EqualTo(2));
        }

        await ToolRun.FineAsync("verify", _store.Address);
    }

    [Test]
    public async Task A_dry_run_and_a_purge_that_nobody_confirms_change_nothing()
    {
        await using (var host = await _store.OpenAsync())
        {
            var before = await DescribeAsync(host);
            foreach (var what in new[] { new[] { "device", _store.Address, Bob.UserId, Bob.DeviceId }, ["user", _store.Address, Bob.UserId], ["destination", _store.Address, Failing] })
            {
                var run = await ToolRun.FineAsync(["purge", .. what, "--dry-run", "--json"]);
                Assert.That(run.Json.GetProperty("dry_run").GetBoolean(), Is.True);
                Assert.That(run.Output, Does.Contain(": 3"), "what would go");
                if (kind != TestStore.Sqlite) Assert.That((await ToolRun.RunAsync(["purge", .. what])).ExitCode, Is.EqualTo(1));
            }

            Assert.That(await DescribeAsync(host), Is.EqualTo(before));
        }

        if (kind == TestStore.Sqlite)
            Assert.That((await ToolRun.RunAsync("purge", "user", _store.Address, Bob.UserId)).Errors, Does.Contain("--yes"));
    }

    [Test]
    public async Task PostgreSQL_is_purged_while_hosts_send()
    {
        if (kind == TestStore.Sqlite) return;
        await using var host = await _store.OpenAsync();
        using var over = new CancellationTokenSource();
        var sent = 0;
        var sending = Task.Run(async () =>
        {
            while (!over.IsCancellationRequested) await host.SendAsync(Key($"load{sent}"), [Message(Bob, 100 + sent++)]);
        });
        for (var i = 0; i < 3; i++) await ToolRun.FineAsync("purge", "user", _store.Address, Bob.UserId, "--yes");
        await over.CancelAsync();
        await sending;

        await ToolRun.FineAsync("verify", _store.Address);
        await host.SendAsync(Key("last"), [Message(Bob, 99)]);
        Assert.That((await host.ReadAsync(Bob))[^1], Does.StartWith($"{6 + sent}/"), "numbers are given once");
    }
}
