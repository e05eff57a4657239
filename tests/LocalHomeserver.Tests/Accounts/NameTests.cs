namespace LocalHomeserver.Tests;

/// <summary>What clients call users and devices, where it could be read in two ways (decision 020).</summary>
internal sealed class NameTests(string store) : HomeserverTests(store)
{
    private static readonly object s_dummy = new { type = "m.login.dummy" };

    private TestDevice _user = null!;

    private string UpperCase => $"@{_user.UserId[1..^":localhost".Length].ToUpperInvariant()}:localhost";

    [SetUp]
    public async Task Register() => _user = await Server.RegisterAsync("PHONE");

    [Test]
    public async Task A_login_finds_the_user_in_whatever_case_the_name_is_written()
    {
        foreach (var user in new[] { UpperCase, UpperCase[1..^":localhost".Length] })
        {
            Assert.That((await Server.LoginAsync(user, "TABLET")).UserId, Is.EqualTo(_user.UserId));
            (await _user.CallAsync("POST", "/delete_devices", new { devices = new[] { "TABLET" }, auth = Password(user) })).Ok();
        }

        (await LoginAs(UpperCase.Replace("localhost", "LOCALHOST", StringComparison.Ordinal))).IsError(403, "M_FORBIDDEN");
    }

    [Test]
    public async Task A_user_is_registered_in_lower_case_and_only_once()
    {
        var name = Homeserver.NewName();
        Assert.That((await RegisterAs(name.ToUpperInvariant())).Ok().String("user_id"), Is.EqualTo($"@{name}:localhost"));
        (await RegisterAs(name)).IsError(400, "M_USER_IN_USE");
        (await RegisterAs(name.ToUpperInvariant())).IsError(400, "M_USER_IN_USE");
    }

    [Test]
    public async Task Letters_that_only_become_ASCII_in_lower_case_are_none()
    {
        // The sign of the kelvin is another letter than k, and becomes one.
        (await RegisterAs("\u212Aelvin")).IsError(400, "M_INVALID_USERNAME");
        (await RegisterAs("kelvin")).Ok();
        (await LoginAs("\u212Aelvin")).IsError(403, "M_FORBIDDEN");
    }

    [Test]
    public async Task R24_no_device_is_called_as_all_devices_are()
    {
        (await LoginAs(_user.UserId, "*")).IsError(400, "M_INVALID_PARAM");
        (await RegisterAs(Homeserver.NewName(), "*")).IsError(400, "M_INVALID_PARAM");

        await Server.LoginAsync(_user.UserId, "**");
    }

    [TestCase("*")]
    [TestCase("")]
    public async Task R24_a_star_and_nothing_are_no_device_where_devices_are_named(string deviceId)
    {
        await Server.LoginAsync(_user.UserId, "TABLET");
        if (deviceId.Length > 0)
        {
            (await _user.CallAsync("GET", $"/devices/{deviceId}")).IsError(404, "M_NOT_FOUND");
            (await _user.CallAsync("PUT", $"/devices/{deviceId}", new { display_name = "All" })).IsError(404, "M_NOT_FOUND");
            (await _user.CallAsync("DELETE", $"/devices/{deviceId}", new { auth = _user.PasswordAuth() })).Ok();
        }

        (await _user.CallAsync("POST", "/delete_devices", new { devices = new[] { deviceId }, auth = _user.PasswordAuth() })).Ok();
        Assert.That((await _user.CallAsync("GET", "/devices")).Ok().GetProperty("devices").GetArrayLength(), Is.EqualTo(2));
    }

    [Test]
    public async Task D10_everywhere_else_a_user_ID_is_the_one_that_it_is()
    {
        (await _user.CallAsync("POST", $"/user/{UpperCase}/filter", "{}")).IsError(403, "M_FORBIDDEN");
        (await _user.TrySendAsync(UpperCase, "PHONE", "for nobody")).Ok();
        Assert.That((await _user.SyncAsync()).Texts, Is.Empty);
        var answer = await _user.QueryAsync(UpperCase);
        Assert.That(answer.GetProperty("device_keys").GetProperty(UpperCase).EnumerateObject(), Is.Empty);
    }

    private static object Password(string user) =>
        new { type = "m.login.password", identifier = new { type = "m.id.user", user }, password = Homeserver.Password };

    private Task<Reply> LoginAs(string user, string? deviceId = null) => Call("POST", "/login", new
    {
        type = "m.login.password",
        identifier = new { type = "m.id.user", user },
        password = Homeserver.Password,
        device_id = deviceId,
    });

    private Task<Reply> RegisterAs(string username, string? deviceId = null) =>
        Call("POST", "/register", new { username, password = Homeserver.Password, device_id = deviceId, auth = s_dummy });
}
