using System.Text.Json;

namespace LocalHomeserver.Tests;

internal sealed class RegisterTests(string store) : HomeserverTests(store)
{
    private static readonly object s_dummy = new { type = "m.login.dummy" };

    [Test]
    public async Task Without_auth_a_registration_is_answered_with_the_flows()
    {
        var reply = await Call("POST", "/register", new { username = Homeserver.NewName(), password = "p" });

        Assert.That(reply.Status, Is.EqualTo(401));
        Assert.That(reply.Body.String("session"), Is.Not.Empty);
        Assert.That(reply.Body.GetProperty("flows")[0].GetProperty("stages")[0].GetString(), Is.EqualTo("m.login.dummy"));
        Assert.That(reply.Body.GetProperty("params").ValueKind, Is.EqualTo(JsonValueKind.Object));
        Assert.That(reply.Body.Has("errcode"), Is.False);
    }

    [Test]
    public async Task An_empty_object_asks_for_the_flows() =>
        Assert.That((await Call("POST", "/register", "{}")).Status, Is.EqualTo(401));

    [Test]
    public async Task With_auth_a_user_and_a_device_are_made()
    {
        var name = Homeserver.NewName();
        var body = (await Call("POST", "/register", new
        {
            username = name,
            password = "p",
            device_id = "PHONE",
            initial_device_display_name = "My phone",
            auth = s_dummy,
        })).Ok();

        Assert.That(body.String("user_id"), Is.EqualTo($"@{name}:localhost"));
        Assert.That(body.String("device_id"), Is.EqualTo("PHONE"));
        Assert.That(body.Has("refresh_token"), Is.False);
        var device = await Server.SendAsync("GET", "/_matrix/client/v3/devices/PHONE", token: body.String("access_token"));
        Assert.That(device.Ok().String("display_name"), Is.EqualTo("My phone"));
    }

    [Test]
    public async Task The_session_of_the_flows_comes_back_with_the_auth()
    {
        var request = new { username = Homeserver.NewName(), password = "p" };
        var session = (await Call("POST", "/register", request)).Body.String("session");

        (await Call("POST", "/register", new { request.username, request.password, auth = new { type = "m.login.dummy", session } })).Ok();
    }

    [Test]
    public async Task Another_flow_is_refused_and_the_flows_are_told_again()
    {
        var reply = await Call("POST", "/register", new
        {
            username = Homeserver.NewName(),
            password = "p",
            auth = new { type = "m.login.recaptcha", session = "abc" },
        });

        reply.IsError(401, "M_UNRECOGNIZED");
        Assert.That(reply.Body.String("session"), Is.EqualTo("abc"));
        Assert.That(reply.Body.GetProperty("flows").GetArrayLength(), Is.EqualTo(1));
    }

    [Test]
    public async Task Without_a_user_name_one_is_made_up()
    {
        var first = (await Call("POST", "/register", new { password = "p", auth = s_dummy })).Ok();
        var second = (await Call("POST", "/register", new { password = "p", auth = s_dummy })).Ok();

        Assert.That(first.String("user_id"), Does.Match("^@[a-z]+:localhost$"));
        Assert.That(second.String("user_id"), Is.Not.EqualTo(first.String("user_id")));
    }

    [Test]
    public async Task Inhibit_login_makes_a_user_without_a_device()
    {
        var body = (await Call("POST", "/register", new
        {
            username = Homeserver.NewName(),
            password = Homeserver.Password,
            inhibit_login = true,
            auth = s_dummy,
        })).Ok();

        Assert.That(body.Has("access_token"), Is.False);
        Assert.That(body.Has("device_id"), Is.False);
        var login = await Server.LoginAsync(body.String("user_id"));
        Assert.That((await login.CallAsync("GET", "/devices")).Ok().GetProperty("devices").GetArrayLength(), Is.EqualTo(1));
    }

    [Test]
    public async Task A_name_is_given_out_once_and_its_password_stays()
    {
        var user = await Server.RegisterAsync();
        var name = user.UserId[1..user.UserId.IndexOf(':', StringComparison.Ordinal)];

        var withoutAuth = await Call("POST", "/register", new { username = name, password = "other" });
        var withAuth = await Call("POST", "/register", new { username = name, password = "other", auth = s_dummy });

        withoutAuth.IsError(400, "M_USER_IN_USE");
        withAuth.IsError(400, "M_USER_IN_USE");
        await Server.LoginAsync(user.UserId);
    }

    [Test]
    public async Task Of_registrations_at_the_same_time_one_gets_the_name()
    {
        var request = new { username = Homeserver.NewName(), password = "p", auth = s_dummy };
        var replies = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Call("POST", "/register", request)));

        Assert.That(replies.Count(reply => reply.Status == 200), Is.EqualTo(1));
        foreach (var reply in replies.Where(reply => reply.Status != 200)) reply.IsError(400, "M_USER_IN_USE");
    }

    [TestCase("")]
    [TestCase("alice:localhost")]
    [TestCase("@alice")]
    [TestCase("al ice")]
    [TestCase("ålice")]
    [TestCase("al\0ice")]
    public async Task A_name_outside_the_grammar_is_refused(string username) =>
        (await Register(username)).IsError(400, "M_INVALID_USERNAME");

    [Test]
    public async Task A_user_ID_has_at_most_255_characters()
    {
        var longest = Homeserver.NewName().PadRight(255 - "@:localhost".Length, 'a');

        (await Register(longest + "a")).IsError(400, "M_INVALID_USERNAME");
        (await Register(longest)).Ok();
    }

    [Test]
    public async Task Every_character_of_the_grammar_is_allowed()
    {
        var name = Homeserver.NewName() + "._=/+-";
        Assert.That((await Register(name)).Ok().String("user_id"), Is.EqualTo($"@{name}:localhost"));
    }

    [Test]
    public async Task A_password_is_required() =>
        (await Call("POST", "/register", new { username = Homeserver.NewName(), auth = s_dummy })).IsError(400, "M_MISSING_PARAM");

    [Test]
    public async Task Guests_are_not_registered() =>
        (await Call("POST", "/register?kind=guest", "{}")).IsError(403, "M_GUEST_ACCESS_FORBIDDEN");

    [Test]
    public async Task Another_kind_is_an_error()
    {
        Assert.That((await Call("POST", "/register?kind=user", "{}")).Status, Is.EqualTo(401));
        (await Call("POST", "/register?kind=robot", "{}")).IsError(400, "M_INVALID_PARAM");
    }

    private Task<Reply> Register(string username) =>
        Call("POST", "/register", new { username, password = "p", auth = s_dummy });
}
