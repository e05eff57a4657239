namespace Matrix.ToDevice.Tests;

internal sealed class VersionTests
{
    [TestCase(TestStore.Sqlite, "to_device_schema")]
    [TestCase(TestStore.PostgreSql, "to_device_schema")]
    [TestCase(TestStore.CitusReady, "to_device_distribution")]
    public async Task The_tool_knows_the_schema_version_of_its_store_packages(string kind, string table)
    {
        using var store = new TestStore(kind);
        await using (await store.OpenAsync())
        {
            // Its tables are made.
        }

        var run = await ToolRun.FineAsync("migrate", store.Address, "--check", "--json");

        Assert.That(run.Json.GetProperty("schema_version").GetRawText(), Is.EqualTo(store.Query($"SELECT max(version) FROM {table}")));
        Assert.That(run.Json.GetProperty("before").GetInt32(), Is.EqualTo(run.Json.GetProperty("schema_version").GetInt32()));
    }
}
