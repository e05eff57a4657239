namespace LocalHomeserver.Tests;

internal sealed class LoginTests(string store) : HomeserverTests(store)
{
    private TestDevice _user = null!;

    private string Localpart => _user.UserId[1.._user.UserId.IndexOf(':', StringComparison.Ordinal)];

    [SetUp]
    public async Task Register() => _user = await Server.RegisterAsync("FIRST");

    [Test]
    public async Task The_flow_is_a_password()
    {
        var flows = (await Call("GET", "/login")).Ok().GetProperty("flows");

        Assert.That(flows.GetArrayLength(), Is.EqualTo(1));
        Assert.That(flows[0].String("type"), Is.EqualTo("m.login.password"));
    }

    [Test]
    public async Task A_user_logs_in_by_user_ID_or_localpart()
    {
        foreach (var user in new[] { _user.UserId, Localpart })
        {
            var login = (await LoginAs(new { type = "m.id.user", user })).Ok();
            Assert.That(login.String("user_id"), Is.EqualTo(_user.UserId));
        }
    }

    [Test]
    public async Task Old_clients_name_the_user_at_the_top_level()
    {
        foreach (var user in new[] { _user.UserId, Localpart })
            (await Call("POST", "/login", new { type = "m.login.password", user, password = Homeserver.Password })).Ok();
    }

    [Test]
    public async Task Without_a_device_ID_each_login_is_a_new_device()
    {
        var first = await Server.LoginAsync(_user.UserId);
        var second = await Server.LoginAsync(_user.UserId);

        Assert.That(first.DeviceId, Is.Not.EqualTo(second.DeviceId));
        Assert.That((await _user.CallAsync("GET", "/devices")).Ok().GetProperty("devices").GetArrayLength(), Is.EqualTo(3));
    }

    [Test]
    public async Task R72_a_login_with_an_existing_device_ID_is_the_same_device_and_its_older_token_ends()
    {
        (await _user.CallAsync("PUT", "/devices/FIRST", new { display_name = "Renamed" })).Ok();

        var again = (await Call("POST", "/login", new
        {
            type = "m.login.password",
            identifier = new { type = "m.id.user", user = _user.UserId },
            password = Homeserver.Password,
            device_id = "FIRST",
            initial_device_display_name = "Ignored",
        })).Ok();

        (await _user.CallAsync("GET", "/account/whoami")).IsError(401, "M_UNKNOWN_TOKEN");
        var devices = (await new TestDevice(Server, again).CallAsync("GET", "/devices")).Ok().GetProperty("devices");
        Assert.That(devices.GetArrayLength(), Is.EqualTo(1));
        Assert.That(devices[0].String("display_name"), Is.EqualTo("Renamed"));
    }

    [Test]
    public async Task R71_device_IDs_of_two_users_have_nothing_to_do_with_each_other()
    {
        var other = await Server.RegisterAsync("FIRST");
        await other.LogoutAsync();
        Assert.That((await _user.CallAsync("GET", "/account/whoami")).Ok().String("device_id"), Is.EqualTo("FIRST"));
    }

    [TestCase("a/b%2Fc d?e#f")]
    [TestCase("é🙂")]
    [TestCase("\0")]
    public async Task Any_text_but_a_star_can_be_a_device_ID(string deviceId)
    {
        var device = await Server.LoginAsync(_user.UserId, deviceId);

        Assert.That((await device.CallAsync("GET", "/account/whoami")).Ok().String("device_id"), Is.EqualTo(deviceId));
        Assert.That((await device.SyncAsync()).Texts, Is.Empty);
        await device.LogoutAsync();
    }

    [Test]
    public async Task A_device_ID_has_1_to_255_characters()
    {
        await Server.LoginAsync(_user.UserId, new string('x', 255));
        (await LoginAs(new { type = "m.id.user", user = _user.UserId }, deviceId: new string('x', 256))).IsError(400, "M_INVALID_PARAM");
        (await LoginAs(new { type = "m.id.user", user = _user.UserId }, deviceId: "")).IsError(400, "M_INVALID_PARAM");
    }

    [Test]
    public async Task A_wrong_password_and_an_unknown_user_are_told_in_the_same_words()
    {
        var wrongPassword = await LoginAs(new { type = "m.id.user", user = _user.UserId }, password: "wrong");
        var unknownUser = await LoginAs(new { type = "m.id.user", user = "nobody" });
        var elsewhere = await LoginAs(new { type = "m.id.user", user = $"@{Localpart}:elsewhere" });

        wrongPassword.IsError(403, "M_FORBIDDEN");
        Assert.That(unknownUser.Text, Is.EqualTo(wrongPassword.Text));
        Assert.That(unknownUser.Status, Is.EqualTo(403));
        Assert.That(elsewhere.Text, Is.EqualTo(wrongPassword.Text));
    }

    [Test]
    public async Task What_is_missing_or_unknown_is_named()
    {
        var identifier = new { type = "m.id.user", user = _user.UserId };

        (await Call("POST", "/login", "{}")).IsError(400, "M_MISSING_PARAM");
        (await Call("POST", "/login", new { type = "m.login.password", identifier })).IsError(400, "M_MISSING_PARAM");
        (await Call("POST", "/login", new { type = "m.login.password", password = "p" })).IsError(400, "M_MISSING_PARAM");
        (await Call("POST", "/login", new { type = "m.login.token", token = "t" })).IsError(400, "M_UNKNOWN");
        (await LoginAs(new { type = "m.id.phone", user = _user.UserId })).IsError(400, "M_UNKNOWN");
    }

    [Test]
    public async Task Whoami_names_the_user_and_the_device()
    {
        var body = (await _user.CallAsync("GET", "/account/whoami")).Ok();

        Assert.That(body.String("user_id"), Is.EqualTo(_user.UserId));
        Assert.That(body.String("device_id"), Is.EqualTo("FIRST"));
        Assert.That(body.GetProperty("is_guest").GetBoolean(), Is.False);
    }

    private Task<Reply> LoginAs(object identifier, string password = Homeserver.Password, string? deviceId = null) =>
        Call("POST", "/login", new { type = "m.login.password", identifier, password, device_id = deviceId });
}
