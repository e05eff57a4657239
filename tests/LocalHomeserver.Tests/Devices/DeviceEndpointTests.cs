using System.Text.Json;

namespace LocalHomeserver.Tests;

internal sealed class DeviceEndpointTests(string store) : HomeserverTests(store)
{
    private TestDevice _phone = null!;
    private TestDevice _laptop = null!;

    [SetUp]
    public async Task Register()
    {
        _phone = await Server.RegisterAsync("PHONE");
        _laptop = await Server.LoginAsync(_phone.UserId, "LAPTOP");
    }

    [Test]
    public async Task Devices_are_listed_with_all_that_clients_look_for()
    {
        var devices = (await _phone.CallAsync("GET", "/devices")).Ok().GetProperty("devices").EnumerateArray().ToList();

        Assert.That(devices.Select(device => device.String("device_id")), Is.EquivalentTo(new[] { "PHONE", "LAPTOP" }));
        foreach (var device in devices)
        {
            Assert.That(device.GetProperty("display_name").ValueKind, Is.EqualTo(JsonValueKind.String));
            Assert.That(device.String("last_seen_ip"), Is.EqualTo("127.0.0.1"));
            Assert.That(device.GetProperty("last_seen_ts").GetInt64(), Is.GreaterThan(1_500_000_000_000));
        }
    }

    [Test]
    public async Task A_device_is_renamed()
    {
        (await _phone.CallAsync("PUT", "/devices/LAPTOP", new { display_name = "Big screen" })).Ok();
        (await _phone.CallAsync("PUT", "/devices/LAPTOP", "{}")).Ok();

        Assert.That((await _laptop.CallAsync("GET", "/devices/LAPTOP")).Ok().String("display_name"), Is.EqualTo("Big screen"));
    }

    [Test]
    public async Task A_device_that_does_not_exist_is_not_found()
    {
        (await _phone.CallAsync("GET", "/devices/TABLET")).IsError(404, "M_NOT_FOUND");
        (await _phone.CallAsync("GET", "/devices/phone")).IsError(404, "M_NOT_FOUND");
        (await _phone.CallAsync("PUT", "/devices/TABLET", new { display_name = "x" })).IsError(404, "M_NOT_FOUND");
    }

    [Test]
    public async Task Another_users_devices_are_not_found()
    {
        var other = await Server.RegisterAsync("TABLET");
        (await _phone.CallAsync("GET", "/devices/TABLET")).IsError(404, "M_NOT_FOUND");
        (await _phone.CallAsync("DELETE", "/devices/TABLET", new { auth = _phone.PasswordAuth() })).Ok();
        (await other.CallAsync("GET", "/devices/TABLET")).Ok();
    }

    [Test]
    public async Task Device_IDs_in_paths_are_decoded_once()
    {
        await Server.LoginAsync(_phone.UserId, "a/b");
        await Server.LoginAsync(_phone.UserId, "a%2Fb");

        Assert.That((await _phone.CallAsync("GET", "/devices/a%2Fb")).Ok().String("device_id"), Is.EqualTo("a/b"));
        Assert.That((await _phone.CallAsync("GET", "/devices/a%252Fb")).Ok().String("device_id"), Is.EqualTo("a%2Fb"));
    }

    [TestCase("DELETE", "/devices/LAPTOP")]
    [TestCase("POST", "/delete_devices")]
    public async Task Deleting_a_device_takes_the_password(string method, string path)
    {
        string[] devices = ["LAPTOP"];

        var unconfirmed = await _phone.CallAsync(method, path, new { devices });
        Assert.That(unconfirmed.Status, Is.EqualTo(401));
        Assert.That(unconfirmed.Body.GetProperty("flows")[0].GetProperty("stages")[0].GetString(), Is.EqualTo("m.login.password"));

        var wrong = await _phone.CallAsync(method, path, new { devices, auth = _phone.PasswordAuth("wrong") });
        wrong.IsError(401, "M_FORBIDDEN");
        Assert.That(wrong.Body.GetProperty("flows").GetArrayLength(), Is.EqualTo(1));

        (await _phone.CallAsync(method, path, new { devices, auth = new { type = "m.login.dummy" } })).IsError(401, "M_UNRECOGNIZED");
        (await _phone.CallAsync(method, path, new { devices, auth = new { type = "m.login.password" } })).IsError(400, "M_MISSING_PARAM");
        (await _laptop.CallAsync("GET", "/account/whoami")).Ok();

        (await _phone.CallAsync(method, path, new { devices, auth = _phone.PasswordAuth() })).Ok();

        (await _laptop.CallAsync("GET", "/account/whoami")).IsError(401, "M_UNKNOWN_TOKEN");
        (await _phone.CallAsync("GET", "/devices/LAPTOP")).IsError(404, "M_NOT_FOUND");
    }

    [Test]
    public async Task Another_users_password_confirms_nothing()
    {
        var other = await Server.RegisterAsync();
        (await _phone.CallAsync("DELETE", "/devices/LAPTOP", new { auth = other.PasswordAuth() })).IsError(401, "M_FORBIDDEN");
        (await _laptop.CallAsync("GET", "/account/whoami")).Ok();
    }

    [Test]
    public async Task A_deletion_without_a_body_asks_for_the_password() =>
        Assert.That((await _phone.CallAsync("DELETE", "/devices/LAPTOP")).Body.Has("flows"), Is.True);

    [Test]
    public async Task Many_devices_are_deleted_at_once_and_unknown_ones_passed_over()
    {
        string[] devices = ["LAPTOP", "TABLET", "PHONE"];
        (await _phone.CallAsync("POST", "/delete_devices", new { devices, auth = _phone.PasswordAuth() })).Ok();

        (await _phone.CallAsync("GET", "/devices")).IsError(401, "M_UNKNOWN_TOKEN");
        (await _laptop.CallAsync("GET", "/devices")).IsError(401, "M_UNKNOWN_TOKEN");
    }

    [Test]
    public async Task The_devices_to_delete_have_to_be_named() =>
        (await _phone.CallAsync("POST", "/delete_devices", new { auth = _phone.PasswordAuth() })).IsError(400, "M_MISSING_PARAM");
}
