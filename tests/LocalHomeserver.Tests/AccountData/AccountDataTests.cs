using Matrix.ToDevice.Tests;

namespace LocalHomeserver.Tests;

internal sealed class AccountDataTests(string store) : HomeserverTests(store)
{
    private TestDevice _device = null!;

    [SetUp]
    public async Task Register() => _device = await Server.RegisterAsync("PHONE");

    [Test]
    public async Task Account_data_is_given_back_as_it_came()
    {
        var content = """{"a": 1e2, "\ud83d\ude00": "\u00e9", "b": [1.0, null]}""";
        (await PutAsync("org.example.settings", content)).Ok();
        (await PutAsync("org.example.settings/a%2Fb", "{}")).IsError(404, "M_UNRECOGNIZED");
        (await PutAsync("org.example%2Fb", """{"b":1}""")).Ok();

        var reply = await GetAsync("org.example.settings");
        Assert.That(reply.Text, Is.EqualTo(content));
        Assert.That(reply.Headers["Content-Type"], Is.EqualTo("application/json"));
        Assert.That((await GetAsync("org.example%2Fb")).Text, Is.EqualTo("""{"b":1}"""));
        (await GetAsync("org.example.other")).IsError(404, "M_NOT_FOUND");
        (await PutAsync("org.example.settings", """{"a":2}""")).Ok();
        Assert.That((await GetAsync("org.example.settings")).Text, Is.EqualTo("""{"a":2}"""));
    }

    [Test]
    public async Task The_first_sync_has_all_account_data_and_later_ones_what_has_changed()
    {
        (await PutAsync("a", """{"n":1}""")).Ok();
        (await PutAsync("b", """{"n":2}""")).Ok();
        var laptop = await Server.LoginAsync(_device.UserId, "LAPTOP");

        var first = await laptop.SyncAsync();
        Assert.That(Events(first), Is.EqualTo(new[] { """a {"n":1}""", """b {"n":2}""" }));
        Assert.That(Events(await laptop.SyncAsync(first.NextBatch)), Is.Empty);

        (await PutAsync("a", """{"n":3}""")).Ok();
        var second = await laptop.SyncAsync(first.NextBatch);
        Assert.That(Events(second), Is.EqualTo(new[] { """a {"n":3}""" }));
        Assert.That(Events(await laptop.SyncAsync(first.NextBatch)), Is.EqualTo(new[] { """a {"n":3}""" }), "the same since again");
        Assert.That(Events(await laptop.SyncAsync(second.NextBatch)), Is.Empty);
    }

    [Test]
    public async Task A_change_ends_a_long_poll_of_each_device_of_the_user_and_of_nobody_else()
    {
        var laptop = await Server.LoginAsync(_device.UserId, "LAPTOP");
        var other = await Server.RegisterAsync("OTHER");
        var since = (await laptop.SyncAsync()).NextBatch;
        var otherSince = (await other.SyncAsync()).NextBatch;
        using var waiting = new WaitingSyncs(Server);
        var poll = laptop.SyncAsync(since, timeout: 600_000);
        await waiting.NextAsync();
        var others = other.SyncAsync(otherSince, timeout: 600_000);
        await waiting.NextAsync();

        (await PutAsync("a", """{"n":1}""")).Ok();

        Assert.That(Events(await poll.WaitAsync(TimeLimit.OfOneWait)), Is.EqualTo(new[] { """a {"n":1}""" }));
        await _device.SendAsync(other, "now");
        Assert.That((await others.WaitAsync(TimeLimit.OfOneWait)).Texts, Is.EqualTo(new[] { "now" }), "it waited on");
    }

    [Test]
    public async Task Another_users_account_data_is_forbidden()
    {
        var other = await Server.RegisterAsync();
        (await _device.CallAsync("PUT", $"/user/{other.UserId}/account_data/a", "{}")).IsError(403, "M_FORBIDDEN");
        (await _device.CallAsync("GET", $"/user/{other.UserId}/account_data/a")).IsError(403, "M_FORBIDDEN");
        (await Call("GET", $"/user/{other.UserId}/account_data/a")).IsError(401, "M_MISSING_TOKEN");
    }

    [TestCase("m.fully_read")]
    [TestCase("m.push_rules")]
    public async Task What_the_server_alone_may_change_is_405_M_BAD_JSON(string type) => (await PutAsync(type, "{}")).IsError(405, "M_BAD_JSON");

    [TestCase("[]", 400, "M_BAD_JSON")]
    [TestCase("null", 400, "M_BAD_JSON")]
    [TestCase("1", 400, "M_BAD_JSON")]
    [TestCase("{", 400, "M_NOT_JSON")]
    [TestCase("", 400, "M_NOT_JSON")]
    [TestCase("""{"a":"\ud800"}""", 400, "M_BAD_JSON")]
    public async Task D7_a_bad_body_is_told(string body, int status, string errorCode)
    {
        (await PutAsync("a", body)).IsError(status, errorCode);
        (await GetAsync("a")).IsError(404, "M_NOT_FOUND");
    }

    [Test]
    public async Task Account_data_is_bounded_in_every_direction()
    {
        (await PutAsync("a", $$"""{"a":"{{new string('x', 65_528)}}"}""")).Ok();
        (await PutAsync("a", $$"""{"a":"{{new string('x', 65_529)}}"}""")).IsError(413, "M_TOO_LARGE");
        (await PutAsync(new string('t', 255), "{}")).Ok();
        (await PutAsync(new string('t', 256), "{}")).IsError(400, "M_INVALID_PARAM");
        for (var i = 0; i < 998; i++) (await PutAsync($"n{i}", "{}")).Ok();
        (await PutAsync("one.more", "{}")).IsError(413, "M_TOO_LARGE");
        (await PutAsync("a", """{"a":1}""")).Ok();
        (await GetAsync("one.more")).IsError(404, "M_NOT_FOUND");
    }

    /// <summary>A first sync has all of it, and is answered from memory: also for who never reads the answer.</summary>
    [Test]
    public async Task All_account_data_of_a_user_is_bounded_too_and_can_be_replaced_by_less()
    {
        var full = $$"""{"a":"{{new string('x', 65_528)}}"}""";
        for (var i = 0; i < 16; i++) (await PutAsync($"n{i}", full)).Ok();

        (await PutAsync("one.more", """{"a":1}""")).IsError(413, "M_TOO_LARGE");
        (await GetAsync("one.more")).IsError(404, "M_NOT_FOUND");
        (await PutAsync("n7", full)).Ok();
        (await PutAsync("n7", "{}")).Ok();
        (await PutAsync("one.more", """{"a":1}""")).Ok();
        Assert.That(Events(await _device.SyncAsync()), Has.Length.EqualTo(17));
    }

    [Test]
    public async Task R60_messages_of_ignored_users_do_not_come_through()
    {
        var friend = await Server.RegisterAsync("FRIEND");
        var other = await Server.RegisterAsync("OTHER");
        (await PutAsync("m.ignored_user_list", $$$"""{"ignored_users":{"{{{other.UserId}}}":{} } }""")).Ok();
        await other.SendAsync(_device, "not wanted");
        await friend.SendAsync(_device, "wanted");

        var sync = await _device.SyncAsync();
        Assert.That(sync.Texts, Is.EqualTo(new[] { "wanted" }));

        using var waiting = new WaitingSyncs(Server);
        var poll = _device.SyncAsync(sync.NextBatch, timeout: 600_000);
        await waiting.NextAsync();
        await other.SendAsync(_device, "not wanted either");
        await friend.SendAsync(_device, "more");
        Assert.That((await poll.WaitAsync(TimeLimit.OfOneWait)).Texts, Is.EqualTo(new[] { "more" }));

        (await PutAsync("m.ignored_user_list", """{"ignored_users":{}}""")).Ok();
        await other.SendAsync(_device, "again");
        Assert.That((await _device.SyncAsync(sync.NextBatch)).Texts, Does.Contain("again").And.Not.Contain("not wanted either"));
    }

    [TestCase("{}")]
    [TestCase("""{"ignored_users":[]}""")]
    [TestCase("""{"ignored_users":null}""")]
    public async Task R60_a_list_that_is_none_ignores_nobody(string content)
    {
        var friend = await Server.RegisterAsync("FRIEND");
        (await PutAsync("m.ignored_user_list", content)).Ok();
        await friend.SendAsync(_device, "wanted");

        Assert.That((await _device.SyncAsync()).Texts, Is.EqualTo(new[] { "wanted" }));
    }

    private Task<Reply> PutAsync(string type, string content) => _device.CallAsync("PUT", $"/user/{_device.UserId}/account_data/{type}", content);

    private Task<Reply> GetAsync(string type) => _device.CallAsync("GET", $"/user/{_device.UserId}/account_data/{type}");

    private static string[] Events(Sync sync) =>
        [.. sync.Body.GetProperty("account_data").GetProperty("events").EnumerateArray().Select(one => $"{one.String("type")} {one.GetProperty("content").GetRawText()}")];
}

internal sealed class AccountDataRestartTests
{
    private readonly string _data = Directory.CreateTempSubdirectory("local-homeserver-tests-").FullName;

    [OneTimeTearDown]
    public void Delete() => Directory.Delete(_data, recursive: true);

    [TestCase("sqlite")]
    [TestCase("postgresql")]
    public async Task R50_account_data_and_the_dehydrated_device_are_there_after_a_restart(string store)
    {
        string[] settings = store == "sqlite" ? ["--Data", _data] : [PostgreSql.Setting, PostgreSql.NewDatabase()];
        TestDevice alice;
        string since;
        await using (var server = await Homeserver.StartAsync(store, settings))
        {
            alice = await server.RegisterAsync("PHONE");
            since = (await alice.SyncAsync()).NextBatch;
            (await alice.CallAsync("PUT", $"/user/{alice.UserId}/account_data/a", """{"n":1}""")).Ok();
            (await new TestDehydration(server, alice).PutAsync("DEHYDRATED")).Ok();
            (await alice.TrySendAsync(alice.UserId, "DEHYDRATED", "kept")).Ok();
        }

        await using (var server = await Homeserver.StartAsync(store, settings))
        {
            alice = alice.At(server);
            Assert.That((await alice.CallAsync("GET", $"/user/{alice.UserId}/account_data/a")).Text, Is.EqualTo("""{"n":1}"""));
            Assert.That((await alice.SyncAsync(since)).Body.GetProperty("account_data").GetProperty("events").GetArrayLength(), Is.EqualTo(1));
            var dehydration = new TestDehydration(server, alice);
            Assert.That((await dehydration.GetAsync()).Ok().String("device_id"), Is.EqualTo("DEHYDRATED"));
            Assert.That(await dehydration.TextsAsync("DEHYDRATED"), Is.EqualTo(new[] { "kept" }));
        }
    }
}
