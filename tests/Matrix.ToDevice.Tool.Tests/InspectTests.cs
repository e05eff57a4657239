using System.Text.Json;
using static Matrix.ToDevice.Tests.Filled;

namespace Matrix.ToDevice.Tests;

/// <summary>What is looked at. A host has the store open meanwhile.</summary>
[TestFixture(TestStore.Sqlite)]
[TestFixture(TestStore.PostgreSql)]
[TestFixture(TestStore.CitusReady)]
internal sealed class InspectTests(string kind)
{
    private TestStore _store = null!;
    private OpenStore _host = null!;

    [OneTimeSetUp]
    public async Task FillAsync()
    {
        _store = new TestStore(kind);
        _host = await _store.OpenAsync();
        await Filled.FillAsync(_host);
    }

    [OneTimeTearDown]
    public async Task CloseAsync()
    {
        await _host.DisposeAsync();
        _store.Dispose();
    }

    [Test]
    public async Task Inspect_counts_what_waits()
    {
        var found = (await ToolRun.FineAsync("inspect", _store.Address, "--json")).Json;

        Assert.That(found.GetProperty("in_use").GetBoolean(), Is.True);
        Assert.That(found.GetProperty("layout").GetString(), Is.EqualTo(kind switch { TestStore.Sqlite => null, TestStore.PostgreSql => "OneMachine", _ => kind }));
        Assert.That(found.GetProperty("schema_version").GetInt32(), Is.EqualTo(kind == TestStore.CitusReady ? 1 : 5));
        Assert.That(found.GetProperty("messages").GetProperty("messages").GetInt32(), Is.EqualTo(4), "three of Bob's five, and the odd one");
        Assert.That(found.GetProperty("messages").GetProperty("inboxes").GetInt32(), Is.EqualTo(2));
        Assert.That(found.GetProperty("messages").GetProperty("bytes").GetInt32(), Is.EqualTo(4 * Message(Bob, 1).Content.Length));
        Assert.That(
            TimeProvider.System.GetUtcNow() - found.GetProperty("messages").GetProperty("oldest").GetDateTimeOffset(), Is.LessThan(TimeSpan.FromMinutes(10)));
        Assert.That(found.GetProperty("outbox").GetProperty("edus").GetInt32(), Is.EqualTo(5));
        Assert.That(found.GetProperty("outbox").GetProperty("destinations").GetInt32(), Is.EqualTo(2));
        Assert.That(found.GetProperty("outbox").GetProperty("in_trouble").GetInt32(), Is.EqualTo(1));
        Assert.That(found.GetProperty("records").GetProperty("edus").GetInt32(), Is.EqualTo(1));
        Assert.That(found.GetProperty("records").GetProperty("sends").GetInt32(), Is.EqualTo(13));
        Assert.That(found.GetProperty("sizes").EnumerateArray().Sum(size => size.GetProperty("bytes").GetInt64()), Is.Positive);
    }

    [Test]
    public async Task Inboxes_come_by_size_or_age_in_pages_or_of_one_user()
    {
        Assert.That(await UsersAsync("inboxes", _store.Address), Is.EqualTo(new[] { Bob.UserId, Odd.UserId }));
        Assert.That(await UsersAsync("inboxes", _store.Address, "--by", "age"), Is.EqualTo(new[] { Bob.UserId, Odd.UserId }));
        Assert.That(await UsersAsync("inboxes", _store.Address, "--by", "bytes", "--limit", "1"), Is.EqualTo(new[] { Bob.UserId }));
        Assert.That(await UsersAsync("inboxes", _store.Address, "--limit", "1", "--skip", "1"), Is.EqualTo(new[] { Odd.UserId }));
        Assert.That(await UsersAsync("inboxes", _store.Address, "--user", Odd.UserId), Is.EqualTo(new[] { Odd.UserId }));
        Assert.That(await UsersAsync("inboxes", _store.Address, "--user", Alice.UserId), Is.Empty);
    }

    [Test]
    public async Task Destinations_in_trouble_come_first()
    {
        var found = (await ToolRun.FineAsync("outbox", _store.Address, "--json")).Json.GetProperty("destinations").EnumerateArray().ToList();

        Assert.That(found.Select(one => one.GetProperty("destination").GetString()), Is.EqualTo(new[] { Failing, Healthy }));
        Assert.That(found.Select(one => one.GetProperty("failures").GetInt32()), Is.EqualTo(new[] { 3, 0 }));
        Assert.That(found.Select(one => one.GetProperty("edus").GetInt32()), Is.EqualTo(new[] { 3, 2 }));
        Assert.That(found[0].GetProperty("next_try").ValueKind, Is.EqualTo(JsonValueKind.String));
        Assert.That(found[1].GetProperty("next_try").ValueKind, Is.EqualTo(JsonValueKind.Null));
    }

    [Test]
    public async Task D17_contents_are_shown_only_when_they_are_asked_for()
    {
        foreach (var json in new[] { Array.Empty<string>(), ["--json"] })
        {
            var without = await ToolRun.FineAsync(["show", _store.Address, Bob.UserId, Bob.DeviceId, .. json]);
            Assert.That(without.Output, Does.Contain("@alice:here").And.Contain("m.test").And.Not.Contain("n\\u0022:3").And.Not.Contain("\"n\":3"));
            var with = await ToolRun.FineAsync(["show", _store.Address, Bob.UserId, Bob.DeviceId, "--contents", .. json]);
            Assert.That(with.Output.Replace("\\u0022", "\"", StringComparison.Ordinal), Does.Contain("\"n\":3"));
        }
    }

    [Test]
    public async Task D24_text_of_strangers_says_nothing_to_the_terminal_and_is_no_markup()
    {
        foreach (var json in new[] { Array.Empty<string>(), ["--json"] })
        {
            var run = await ToolRun.FineAsync(["inboxes", _store.Address, .. json]);
            AssertVisible(run.Output);
            Assert.That(run.Output, Does.Contain("[red]"));
            run = await ToolRun.FineAsync(["show", _store.Address, Odd.UserId, Odd.DeviceId, .. json]);
            AssertVisible(run.Output);
            Assert.That(run.Output, Does.Contain("[bold]"));
        }

        AssertVisible((await ToolRun.RunAsync("inspect", "no\u001b[31m\u202efile.db")).Errors);

        static void AssertVisible(string text) => Assert.That(text.Where(c => (char.IsControl(c) && c != '\n') || c == '\u202e'), Is.Empty, text);
    }

    private static async Task<List<string>> UsersAsync(params string[] arguments) =>
        [.. (await ToolRun.FineAsync([.. arguments, "--json"])).Json.GetProperty("inboxes").EnumerateArray().Select(one => one.GetProperty("user_id").GetString()!)];
}
