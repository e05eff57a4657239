namespace LocalHomeserver.Tests;

/// <summary><c>GET /_trial/inbox</c>: an inbox from the outside.</summary>
internal sealed class InboxTests(string store) : HomeserverTests(store)
{
    private TestDevice _sender = null!, _phone = null!;

    [SetUp]
    public async Task TwoDevices()
    {
        _sender = await Server.RegisterAsync();
        _phone = await Server.RegisterAsync("PHONE");
    }

    [Test]
    public async Task A_message_waits_is_handed_out_and_is_acknowledged()
    {
        await _sender.SendAsync(_phone, "secret");
        Assert.That(await Inbox(), Is.EqualTo("1 waiting; 0 acknowledged"));

        var first = await _phone.SyncAsync();
        Assert.That(await Inbox(), Is.EqualTo("1 handed out; 0 acknowledged"));

        await _phone.SyncAsync(first.NextBatch);
        Assert.That(await Inbox(), Is.EqualTo("; 1 acknowledged"));
    }

    [Test]
    public async Task What_arrives_after_a_response_is_not_handed_out()
    {
        await _sender.SendAsync(_phone, "one");
        await _sender.SendAsync(_phone, "two");
        var first = await _phone.SyncAsync();
        await _sender.SendAsync(_phone, "three");
        Assert.That(await Inbox(), Is.EqualTo("1 handed out, 2 handed out, 3 waiting; 0 acknowledged"));

        await _phone.SyncAsync(first.NextBatch);
        Assert.That(await Inbox(), Is.EqualTo("3 handed out; 2 acknowledged"));
    }

    [Test]
    public async Task A_message_is_shown_with_its_sender_and_type_and_without_its_content()
    {
        await _sender.SendAsync(_phone, "secret");
        var reply = await Get(_phone.Token);
        var message = reply.Ok().GetProperty("pending")[0];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(message.String("sender"), Is.EqualTo(_sender.UserId));
            Assert.That(message.String("type"), Is.EqualTo("m.test"));
            Assert.That(reply.Text, Does.Not.Contain("secret"));
        }
    }

    [Test]
    public async Task R53_no_more_is_shown_than_a_response_can_hold()
    {
        for (var i = 0; i < 101; i++) await _sender.SendAsync(_phone, "many");
        var inbox = (await Get(_phone.Token)).Ok();
        Assert.That(inbox.GetProperty("pending").GetArrayLength(), Is.EqualTo(100));
        Assert.That(inbox.GetProperty("has_more").GetBoolean(), Is.True);
    }

    [Test]
    public async Task A_device_sees_its_own_inbox_and_no_other()
    {
        var laptop = await Server.LoginAsync(_phone.UserId, "LAPTOP");
        await _sender.SendAsync(_phone, "for the phone");
        Assert.That(await Inbox(), Is.EqualTo("1 waiting; 0 acknowledged"));
        Assert.That(await Inbox(laptop), Is.EqualTo("; unknown"));
        Assert.That(await Inbox(_sender), Is.EqualTo("; unknown"));
        (await Get(null)).IsError(401, "M_MISSING_TOKEN");
        (await Get("nobody")).IsError(401, "M_UNKNOWN_TOKEN");
    }

    [Test]
    public async Task D6_a_later_device_of_the_same_ID_has_an_inbox_of_its_own()
    {
        await _sender.SendAsync(_phone, "one");
        await _phone.SyncAsync((await _phone.SyncAsync()).NextBatch);
        Assert.That(await Inbox(), Is.EqualTo("; 1 acknowledged"));
        await _phone.LogoutAsync();

        var later = await Server.LoginAsync(_phone.UserId, "PHONE");
        Assert.That(await Inbox(later), Is.EqualTo("; unknown"));
        await _sender.SendAsync(later, "two");
        Assert.That(await Inbox(later), Is.EqualTo("1 waiting; 0 acknowledged"));
    }

    private Task<Reply> Get(string? token) => Server.SendAsync("GET", "/_trial/inbox", token: token);

    private async Task<string> Inbox(TestDevice? device = null)
    {
        var inbox = (await Get((device ?? _phone).Token)).Ok();
        var pending = inbox.GetProperty("pending").EnumerateArray().Select(message =>
            $"{message.GetProperty("position")} {(message.GetProperty("handed_out").GetBoolean() ? "handed out" : "waiting")}");
        var acknowledged = inbox.TryGetProperty("acknowledged", out var number) ? $"{number} acknowledged" : "unknown";
        return $"{string.Join(", ", pending)}; {acknowledged}";
    }
}
