using System.Collections.Concurrent;
using System.Diagnostics;
using Npgsql;

namespace LocalHomeserver.Tests;

/// <summary>Which devices a send finds, and what it asks the database for that.</summary>
internal sealed class DirectoryTests
{
    private const int Many = 1500;

    [TestCase("memory")]
    [TestCase("sqlite")]
    [TestCase("postgresql")]
    public async Task D21_very_many_users_are_one_question_and_each_gets_what_is_theirs(string store)
    {
        await using var server = await Homeserver.StartAsync(
            store, "--ServerName", "hs1.localhost", "--Federation:Peers:hs2.localhost", "http://127.0.0.1:1");
        var sender = await server.RegisterAsync();
        var recipients = new List<TestDevice>();
        for (var n = 0; n < 20; n++) recipients.Add(await server.RegisterAsync());

        // Scattered among users who are not there, and those of other servers.
        var messages = new Dictionary<string, object>();
        for (var n = 0; n < Many; n++)
        {
            messages[$"@nobody{n}:hs1.localhost"] = Content($"nobody {n}");
            messages[$"@user{n}:hs2.localhost"] = Content($"remote {n}");
            messages[$"@user{n}:elsewhere.example"] = Content($"elsewhere {n}");
            if (n < recipients.Count) messages[recipients[n].UserId] = Content($"{n}");
        }

        (await sender.CallAsync("PUT", "/sendToDevice/m.test/1", new { messages })).Ok();

        for (var n = 0; n < recipients.Count; n++) Assert.That((await recipients[n].SyncAsync()).Texts, Is.EqualTo(new[] { $"{n}" }));
        Assert.That(await server.Outbox.ListDestinationsAsync(null, 10, default), Is.EqualTo(new[] { "hs2.localhost" }));

        static object Content(string text) => new Dictionary<string, object> { ["*"] = new { text } };
    }

    [Test]
    public async Task D21_a_send_takes_as_many_statements_for_many_users_as_for_a_few()
    {
        var database = PostgreSql.NewDatabase();
        await using var server = await Homeserver.StartAsync(
            "postgresql", PostgreSql.Setting, database, "--ServerName", "hs1.localhost", "--Federation:Peers:hs2.localhost", "http://127.0.0.1:1");
        var sender = await server.RegisterAsync();
        var statements = new ConcurrentQueue<string>();
        var name = new NpgsqlConnectionStringBuilder(database).Database;
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "Npgsql",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity =>
            {
                var tags = activity.TagObjects.Select(tag => tag.Value?.ToString()).ToList();
                if (tags.Contains(name)) statements.Enqueue(string.Join(' ', tags));
            },
        };
        ActivitySource.AddActivityListener(listener);

        var users = Enumerable.Range(0, Many).SelectMany(n => (string[])[$"@nobody{n}:hs1.localhost", $"@user{n}:hs2.localhost"]);
        (await sender.CallAsync(
            "PUT", "/sendToDevice/m.test/1", new { messages = users.ToDictionary(userId => userId, _ => new Dictionary<string, object> { ["*"] = new { } }) })).Ok();

        Assert.That(statements.Count(statement => statement.Contains("local_homeserver.device ", StringComparison.Ordinal)), Is.EqualTo(1));
        Assert.That(
            statements.Count(statement => statement.Contains("INSERT INTO local_homeserver.contact", StringComparison.Ordinal)), Is.InRange(1, 1 + Many / 1000));
    }

    [Test]
    public async Task Users_of_other_servers_have_no_devices_here_whatever_the_database_says()
    {
        var database = PostgreSql.NewDatabase();
        await using var server = await Homeserver.StartAsync("postgresql", PostgreSql.Setting, database, "--ServerName", "hs1.localhost");
        var sender = await server.RegisterAsync();
        PostgreSql.Execute(database, "INSERT INTO local_homeserver.device VALUES ('@user:elsewhere.example', 'PHONE', '', '', 0)");

        (await sender.TrySendAsync("@user:elsewhere.example", "PHONE", "hello")).Ok();

        Assert.That(PostgreSql.Query(database, "SELECT count(*) FROM to_device.to_device_message"), Is.EqualTo("0"));
    }
}
