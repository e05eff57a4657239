using static Matrix.ToDevice.Tests.Filled;

namespace Matrix.ToDevice.Tests;

[Category("Slow")]
internal sealed class VerifyTests
{
    private const string Bobs = "(SELECT id FROM to_device_device WHERE device_id = 'B1')";

    [Test]
    public async Task A_sound_store_has_no_findings([ValueSource(typeof(TestStore), nameof(TestStore.Kinds))] string kind)
    {
        using var store = await FilledAsync(kind);

        var run = await ToolRun.FineAsync("verify", store.Address, "--json");

        Assert.That(run.Json.GetProperty("findings").GetInt32(), Is.Zero);
        Assert.That(run.Json.GetProperty("checks").GetArrayLength(), Is.GreaterThan(10));
    }

    [TestCase("tables and indexes are there", "DROP INDEX to_device_message_by_device")]
    [TestCase("every row has its device", "UPDATE to_device_message SET device = 77 WHERE sequence = 5")]
    [TestCase("every row has its device", "INSERT INTO to_device_recent_transaction (device, key, last_used) VALUES (77, x'00112233445566778899aabbccddeeff', 1)")]
    [TestCase("removed devices are gone", $"INSERT INTO to_device_removed (device) VALUES ({Bobs})")]
    [TestCase("sequence numbers are given once, without gaps", $"DELETE FROM to_device_message WHERE device = {Bobs} AND sequence = 4")]
    [TestCase("what was deleted does not come back", $"UPDATE to_device_device SET last_sequence = 4 WHERE id = {Bobs}")]
    [TestCase("nothing is acknowledged that never was", $"INSERT OR REPLACE INTO to_device_acknowledged (device, up_to) VALUES ({Bobs}, 99)")]
    [TestCase("transaction records have keys and times that can be", "INSERT INTO to_device_recent_transaction (device, key, last_used) VALUES (0, x'0011', 1)")]
    [TestCase("transaction records have keys and times that can be", "UPDATE to_device_recent_transaction SET last_used = 99999999999999")]
    [TestCase("transaction records stand once", "INSERT INTO to_device_transaction (device, key, last_used) SELECT device, key, last_used FROM to_device_recent_transaction LIMIT 1")]
    [TestCase("messages and EDUs have times that can be", "UPDATE to_device_message SET committed_at = 99999999999999")]
    [TestCase("destinations that have mail are looked at", "DELETE FROM to_device_lease WHERE destination = 'healthy.example'")]
    [TestCase("nothing is kept of a destination for which nothing waits", "DELETE FROM to_device_edu WHERE destination = 'healthy.example'")]
    [TestCase("positions of EDUs are counted", "UPDATE sqlite_sequence SET seq = 1 WHERE name = 'to_device_edu'")]
    [TestCase("contents of messages are JSON", "UPDATE to_device_message SET content = CAST('{\"n\":' AS BLOB) WHERE sequence = 5")]
    [TestCase("contents of EDUs are JSON", "UPDATE to_device_edu SET content = x'ff'")]
    public Task What_is_wrong_with_a_SQLite_store_is_found(string check, string damage) => FindAsync(TestStore.Sqlite, check, damage);

    [TestCase("indexes and functions are there", "DROP INDEX to_device_lease_by_time")]
    [TestCase("indexes and functions are there", "DROP FUNCTION to_device_remove")]
    [TestCase("every row has its device", "UPDATE to_device_message SET device_id = 'nobody' WHERE sequence = 5")]
    [TestCase("removed devices are gone", "UPDATE to_device_device SET removal = 9223372036854775807, removed_at = now() WHERE device_id = 'B1'")]
    [TestCase("sequence numbers are given once, without gaps", "DELETE FROM to_device_message WHERE device_id = 'B1' AND sequence = 4")]
    [TestCase("the newest message is the one that was counted last", "UPDATE to_device_device SET last_sequence = 4 WHERE device_id = 'B1'")]
    [TestCase("the newest message is the one that was counted last", "DELETE FROM to_device_message WHERE device_id = 'B1' AND sequence = 5")]
    [TestCase("what was deleted does not come back", "UPDATE to_device_device SET acknowledged = 4 WHERE device_id = 'B1'")]
    [TestCase("nothing is acknowledged that never was", "UPDATE to_device_device SET acknowledged = 99 WHERE device_id = 'B1'")]
    [TestCase("transaction records have keys and times that can be", "UPDATE to_device_transaction SET last_used = now() + interval '1 year'")]
    [TestCase("messages and EDUs have times that can be", "UPDATE to_device_edu SET committed_at = now() + interval '1 year'")]
    [TestCase("destinations that have mail are looked at", "UPDATE to_device_lease SET is_waiting = false WHERE destination = 'healthy.example'")]
    [TestCase("nothing is kept of a destination for which nothing waits", "DELETE FROM to_device_edu WHERE destination = 'healthy.example'")]
    [TestCase("positions of EDUs are counted", "UPDATE to_device_destination SET last_position = 1")]
    [TestCase("contents of messages are JSON", "UPDATE to_device_message SET content = '{\"n\":' WHERE sequence = 5")]
    [TestCase("contents of EDUs are JSON", "UPDATE to_device_edu SET content = '\\xff'")]
    public Task What_is_wrong_with_a_PostgreSQL_store_is_found(string check, string damage) => FindAsync(TestStore.PostgreSql, check, damage);

    [TestCase("indexes and functions are there", "DROP INDEX to_device_intent_by_age")]
    [TestCase("indexes and functions are there", "DROP FUNCTION to_device_deliver")]
    [TestCase("every row is in its owner's bucket", "UPDATE to_device_transaction SET bucket = (bucket + 1) % 256 WHERE device_id = 'A'")]
    [TestCase("every row is in its owner's bucket", "UPDATE to_device_edu SET bucket = (bucket + 16) % 256 WHERE destination = 'healthy.example'")]
    [TestCase("every row is in its owner's bucket", "UPDATE to_device_delivered SET source = (source + 1) % 256 WHERE device_id = 'A'")]
    [TestCase("every row has its device", "UPDATE to_device_message SET device_id = 'nobody' WHERE sequence = 5")]
    [TestCase("every row has its device", "UPDATE to_device_message SET bucket = (bucket + 1) % 256 WHERE device_id = 'B1'")]
    [TestCase("removed devices are gone", "UPDATE to_device_device SET removal = 9223372036854775807, removed_at = now() WHERE device_id = 'B1'")]
    [TestCase("the newest message is the one that was counted last", "UPDATE to_device_device SET last_sequence = 4 WHERE device_id = 'B1'")]
    [TestCase("what was deleted does not come back", "UPDATE to_device_device SET acknowledged = 4 WHERE device_id = 'B1'")]
    [TestCase("messages and EDUs have times that can be", "UPDATE to_device_edu SET committed_at = now() + interval '1 year'")]
    [TestCase("destinations that have mail are looked at", "UPDATE to_device_lease SET is_waiting = false WHERE destination = 'healthy.example'")]
    [TestCase("nothing is kept of a destination for which nothing waits", "DELETE FROM to_device_edu WHERE destination = 'healthy.example'")]
    [TestCase("positions of EDUs are counted", "UPDATE to_device_destination SET last_position = 1")]
    public Task What_is_wrong_with_a_store_for_many_machines_is_found(string check, string damage) => FindAsync(TestStore.CitusReady, check, damage);

    [Test]
    public async Task A_damaged_page_is_a_finding()
    {
        using var store = await FilledAsync(TestStore.Sqlite);
        var length = new FileInfo(store.File).Length;
        await using (var file = File.OpenWrite(store.File))
        {
            // The last page: some index or table, but not the schema.
            file.Position = length - 16384;
            await file.WriteAsync(Enumerable.Repeat((byte)0xee, 4000).ToArray());
        }

        var run = await ToolRun.RunAsync("verify", store.Address, "--json");

        Assert.That(run.ExitCode, Is.EqualTo(1), run.Output + run.Errors);
        Assert.That(run.Json.GetProperty("lines")[0].GetProperty("check").GetString(), Is.EqualTo("the file is whole"));
    }

    private static async Task FindAsync(string kind, string check, string damage)
    {
        using var store = await FilledAsync(kind);
        store.Execute(damage);

        var run = await ToolRun.RunAsync("verify", store.Address, "--json");

        Assert.That(run.ExitCode, Is.EqualTo(1), run.Output + run.Errors);
        Assert.That(run.Json.GetProperty("lines").EnumerateArray().Select(line => line.GetProperty("check").GetString()), Does.Contain(check));
        Assert.That((await ToolRun.RunAsync("verify", store.Address)).Output, Does.Contain($"FOUND  {check}").And.Contain("ok     "));
    }

    private static async Task<TestStore> FilledAsync(string kind)
    {
        var store = new TestStore(kind);
        await using var host = await store.OpenAsync();
        await FillAsync(host);
        return store;
    }
}
