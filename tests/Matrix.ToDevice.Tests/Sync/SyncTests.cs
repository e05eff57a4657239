namespace Matrix.ToDevice.Tests;

public class SyncTests
{
    private static readonly DeviceAddress s_bobsPhone = new("@bob:hs1", "B1");

    private TestHomeserver _server = null!;
    private TestClient _alice = null!;
    private TestClient _bob = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _server = await TestHomeserver.StartAsync();
        _alice = _server.Login("@alice:hs1", "A1");
        _bob = _server.Login("@bob:hs1", "B1");
    }

    [TearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    [Test]
    public async Task R50_a_message_waits_until_its_device_syncs()
    {
        await SendAsync(1);

        Assert.That((await _bob.SyncAsync()).Contents, Is.EqualTo(Contents(1)));
    }

    [Test]
    public async Task R51_D12_messages_come_in_the_order_in_which_they_were_accepted()
    {
        await SendAsync(1, 2, 3, 4, 5);

        Assert.That((await _bob.SyncAsync()).Contents, Is.EqualTo(Contents(1, 2, 3, 4, 5)));
    }

    [Test]
    public async Task R30_R54_an_event_has_sender_type_and_content_and_nothing_else()
    {
        await SendAsync(1);

        var message = (await _bob.SyncAsync()).Events.Single();

        Assert.That(message, Is.EqualTo(new TestSync.Event("@alice:hs1", "m.test", """{"n":1}""", "sender,type,content")));
    }

    [Test]
    public async Task R54_without_messages_the_section_is_left_out()
    {
        var sync = await _bob.SyncAsync();

        Assert.That(sync.Response.Json.ContainsKey("to_device"), Is.False);
    }

    [Test]
    public async Task R52_the_next_token_acknowledges_what_its_response_held()
    {
        await SendAsync(1, 2);
        var first = await _bob.SyncAsync();
        await SendAsync(3);

        var second = await _bob.SyncAsync(first.NextBatch);

        Assert.That(second.Contents, Is.EqualTo(Contents(3)));
        Assert.That((await _bob.SyncAsync()).Contents, Is.EqualTo(Contents(3)), "1 and 2 are gone for good");
    }

    [Test]
    public async Task R55_D11_a_sync_without_since_deletes_nothing()
    {
        await SendAsync(1);
        await _bob.SyncAsync();

        Assert.That((await _bob.SyncAsync()).Contents, Is.EqualTo(Contents(1)));
        Assert.That((await _bob.SyncAsync("")).Contents, Is.EqualTo(Contents(1)));
    }

    [Test]
    public async Task R56_D11_the_same_since_again_gives_the_same_messages_and_more_behind_them()
    {
        await SendAsync(1);
        var first = await _bob.SyncAsync();
        await SendAsync(2);
        var second = await _bob.SyncAsync(first.NextBatch);
        await SendAsync(3);

        var retry = await _bob.SyncAsync(first.NextBatch);

        Assert.That(second.Contents, Is.EqualTo(Contents(2)));
        Assert.That(retry.Contents, Is.EqualTo(Contents(2, 3)));
    }

    [Test]
    public async Task D11_a_token_acknowledges_nothing_later_than_its_response()
    {
        await SendAsync(1);
        var early = await _bob.SyncAsync();
        await SendAsync(2);
        await _bob.SyncAsync();

        Assert.That((await _bob.SyncAsync(early.NextBatch)).Contents, Is.EqualTo(Contents(2)));
    }

    [Test]
    public async Task D11_a_token_that_was_acknowledged_before_deletes_and_skips_nothing()
    {
        await SendAsync(1);
        var first = await _bob.SyncAsync();
        await SendAsync(2);
        var second = await _bob.SyncAsync(first.NextBatch);
        await _bob.SyncAsync(second.NextBatch);
        await SendAsync(3);

        Assert.That((await _bob.SyncAsync(first.NextBatch)).Contents, Is.EqualTo(Contents(3)));
        Assert.That((await _bob.SyncAsync(first.NextBatch)).Contents, Is.EqualTo(Contents(3)));
    }

    [Test]
    public async Task D11_a_token_ahead_of_the_store_deletes_and_skips_nothing()
    {
        // Another server's store has forgotten nothing: there, the device is at 5. This is what a restored backup looks like.
        await using var before = await TestHomeserver.StartAsync();
        var alice = before.Login("@alice:hs1", "A1");
        var bob = before.Login("@bob:hs1", "B1");
        for (var i = 1; i <= 5; i++) await alice.SendAsync($"t{i}", "@bob:hs1", "B1");
        var ahead = await bob.SyncAsync();

        await SendAsync(1, 2);
        var sync = await _bob.SyncAsync(ahead.NextBatch);
        Assert.That(sync.Contents, Is.EqualTo(Contents(1, 2)));

        // The store has reached the token's position by now, with other messages.
        await SendAsync(3, 4, 5, 6);
        Assert.That((await _bob.SyncAsync(ahead.NextBatch)).Contents, Is.EqualTo(Contents(1, 2, 3, 4, 5, 6)));
    }

    [TestCase("s123_456")]
    [TestCase("t")]
    [TestCase("t_______________________________")]
    [TestCase("tAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [TestCase("t???????????????????????????????")]
    public async Task D11_R122_garbage_is_refused_and_deletes_nothing(string since)
    {
        await SendAsync(1);
        await _bob.SyncAsync();

        var response = await _bob.SendAsync(HttpMethod.Get, $"/_matrix/client/v3/sync?since={Uri.EscapeDataString(since)}");

        response.ShouldBe(400, "M_INVALID_PARAM");
        Assert.That((await _bob.SyncAsync()).Contents, Is.EqualTo(Contents(1)));
    }

    [Test]
    public async Task D11_R122_a_token_of_another_device_or_user_is_refused_and_deletes_nothing()
    {
        var others = new[] { _server.Login("@bob:hs1", "B2"), _server.Login("@bo:hs1", "bB1"), _server.Login("@carol:hs1", "B1") };
        await _alice.PutAsync("m.test", "all", """
            {"messages":{"@bob:hs1":{"*":{}},"@bo:hs1":{"*":{}},"@carol:hs1":{"*":{}}}}
            """);
        foreach (var other in others)
        {
            var foreign = await other.SyncAsync();

            var response = await _bob.SendAsync(HttpMethod.Get, $"/_matrix/client/v3/sync?since={foreign.NextBatch}");

            response.ShouldBe(400, "M_INVALID_PARAM");
        }

        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task D18_next_batch_changes_with_every_response_that_holds_messages()
    {
        var tokens = new List<string> { (await _bob.SyncAsync()).NextBatch };
        for (var i = 0; i < 3; i++)
        {
            await SendAsync(i);
            tokens.Add((await _bob.SyncAsync(tokens[^1])).NextBatch);
        }

        Assert.That(tokens, Is.Unique);
        Assert.That(tokens, Has.All.Matches<string>(token => token.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')));
    }

    [Test]
    public async Task R53_R58_D13_a_response_holds_100_and_the_next_one_comes_at_once()
    {
        await SendAsync([.. Enumerable.Range(0, 205)]);

        var first = await _bob.SyncAsync();
        var second = await _bob.SyncAsync(first.NextBatch, timeout: 600_000);
        var third = await _bob.SyncAsync(second.NextBatch, timeout: 600_000);

        Assert.That(first.Contents.Concat(second.Contents).Concat(third.Contents), Is.EqualTo(Contents([.. Enumerable.Range(0, 205)])));
        Assert.That(new[] { first.Events.Count, second.Events.Count, third.Events.Count }, Is.EqualTo(new[] { 100, 100, 5 }));
        Assert.That((await _bob.SyncAsync(third.NextBatch)).Events, Is.Empty);
    }

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(5)]
    [TestCase(6)]
    public async Task R53_pages_of_every_size_meet_without_gap_or_overlap(int limit)
    {
        await SendAsync([.. Enumerable.Range(0, 6)]);
        string? since = null;
        var seen = new List<string>();
        bool limited;
        do
        {
            using var batch = await _server.ToDevice.NextAsync(s_bobsPhone, since, limit, TimeSpan.Zero, default);
            seen.AddRange(batch.Events.Select(message => System.Text.Encoding.UTF8.GetString(message.Content.Span)));
            Assert.That(batch.Events, Has.Count.LessThanOrEqualTo(limit));
            limited = batch.Limited;
            since = batch.NextBatch;
        }
        while (limited);

        Assert.That(seen, Is.EqualTo(Contents([.. Enumerable.Range(0, 6)])));
    }

    [Test]
    public async Task R59_a_filter_hides_no_messages()
    {
        await SendAsync(1);

        var response = await _bob.SendAsync(
            HttpMethod.Get, "/_matrix/client/v3/sync?filter=" + Uri.EscapeDataString("""{"presence":{"limit":0},"account_data":{"types":[]}}"""));

        Assert.That(new TestSync(response).Contents, Is.EqualTo(Contents(1)));
    }

    [Test]
    public async Task R60_messages_of_every_sender_come_for_clients_ignore_users_themselves()
    {
        var mallory = _server.Login("@mallory:hs1", "M1");
        await mallory.SendAsync("t", "@bob:hs1", "B1");

        Assert.That((await _bob.SyncAsync()).Events.Single().Sender, Is.EqualTo("@mallory:hs1"));
    }

    [Test]
    public async Task R61_R71_every_device_has_an_inbox_of_its_own()
    {
        var laptop = _server.Login("@bob:hs1", "B2");
        var carol = _server.Login("@carol:hs1", "B1");
        await SendAsync(1);
        await _alice.SendAsync("laptop", "@bob:hs1", "B2", """{"n":2}""");
        await _alice.SendAsync("carol", "@carol:hs1", "B1", """{"n":3}""");

        Assert.That((await _bob.SyncAsync()).Contents, Is.EqualTo(Contents(1)));
        Assert.That((await laptop.SyncAsync()).Contents, Is.EqualTo(Contents(2)));
        Assert.That((await carol.SyncAsync()).Contents, Is.EqualTo(Contents(3)));
    }

    [Test]
    public async Task R62_a_requester_without_a_device_gets_no_section_and_acknowledges_nothing()
    {
        await SendAsync(1);
        var bobsToken = (await _bob.SyncAsync()).NextBatch;
        var appservice = _server.Login(AuthResult.Success(Requester.WithoutDevice("@bob:hs1") with { IsAppservice = true }));

        var first = await appservice.SyncAsync();
        var second = await appservice.SyncAsync(first.NextBatch);
        var third = await appservice.SyncAsync(bobsToken);

        Assert.That(first.Response.Json.Concat(second.Response.Json).Concat(third.Response.Json).Select(pair => pair.Key), Has.All.EqualTo("next_batch"));
        Assert.That((await _bob.SyncAsync()).Contents, Is.EqualTo(Contents(1)));
    }

    [TestCase("-1")]
    [TestCase("soon")]
    [TestCase("1.5")]
    [TestCase("99999999999999999999")]
    public async Task A_timeout_that_is_no_number_is_refused(string timeout) =>
        (await _bob.SendAsync(HttpMethod.Get, $"/_matrix/client/v3/sync?timeout={timeout}")).ShouldBe(400, "M_INVALID_PARAM");

    [Test]
    public async Task A_batch_can_be_embedded_in_a_hosts_own_response()
    {
        await SendAsync(1);
        using var batch = await _server.ToDevice.NextAsync(s_bobsPhone, null, TimeSpan.Zero, default);
        using var stream = new MemoryStream();
        using (var json = new System.Text.Json.Utf8JsonWriter(stream)) batch.WriteTo(json);

        Assert.That(
            System.Text.Encoding.UTF8.GetString(stream.ToArray()),
            Is.EqualTo("""{"events":[{"sender":"@alice:hs1","type":"m.test","content":{"n":1}}]}"""));
    }

    private async Task SendAsync(params int[] numbers)
    {
        foreach (var number in numbers)
            (await _alice.SendAsync($"t{number}", "@bob:hs1", "B1", $$"""{"n":{{number}}}""")).ShouldBeAccepted();
    }

    private static IEnumerable<string> Contents(params int[] numbers) => numbers.Select(number => $$"""{"n":{{number}}}""");
}
