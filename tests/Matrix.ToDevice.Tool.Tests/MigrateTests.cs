namespace Matrix.ToDevice.Tests;

internal sealed class MigrateTests
{
    [Test]
    public async Task A_new_store_is_made_when_that_is_said_and_then_there_is_nothing_to_do([ValueSource(typeof(TestStore), nameof(TestStore.Kinds))] string kind)
    {
        using var store = new TestStore(kind);
        Assert.That((await ToolRun.RunAsync("migrate", store.Address)).ExitCode, Is.EqualTo(3));
        Assert.That((await ToolRun.RunAsync("migrate", store.Address, "--create", "--check")).ExitCode, Is.EqualTo(3));

        var made = await ToolRun.FineAsync("migrate", store.Address, "--create", "--json");
        var again = await ToolRun.FineAsync("migrate", store.Address, "--json");

        Assert.That((made.Json.GetProperty("before").GetInt32(), made.Json.GetProperty("changed").GetBoolean()), Is.EqualTo((0, true)));
        Assert.That(again.Json.GetProperty("changed").GetBoolean(), Is.False);
        await ToolRun.FineAsync("verify", store.Address);
        await using var host = await store.OpenAsync();
        Assert.That(await host.SendAsync(Filled.Key("1"), [Filled.Message(Filled.Bob, 1)]), Is.EqualTo(CommitResult.Committed));
    }

    [Test]
    public async Task An_older_store_is_brought_up_and_keeps_what_it_holds([Values(TestStore.Sqlite, TestStore.PostgreSql)] string kind)
    {
        using var store = new TestStore(kind);
        string before;
        await using (var host = await store.OpenAsync())
        {
            await Filled.FillAsync(host);
            before = await Filled.DescribeAsync(host);
        }

        // What version 5 has brought.
        store.Execute("""
            DROP TABLE to_device_upkeep; ALTER TABLE to_device_message DROP COLUMN committed_at; UPDATE to_device_schema SET version = 4 WHERE version = 5
            """);

        var check = await ToolRun.RunAsync("migrate", store.Address, "--check", "--json");
        Assert.That((check.ExitCode, check.Json.GetProperty("before").GetInt32(), check.Json.GetProperty("changed").GetBoolean()), Is.EqualTo((1, 4, false)));
        var run = await ToolRun.FineAsync("migrate", store.Address, "--json");

        Assert.That(run.Json.GetProperty("changed").GetBoolean(), Is.True);
        await ToolRun.FineAsync("verify", store.Address);
        await using var after = await store.OpenAsync();
        Assert.That(await Filled.DescribeAsync(after), Is.EqualTo(before));
    }
}
