namespace LocalHomeserver.Tests;

internal sealed class ServerFactsTests(string store) : HomeserverTests(store)
{
    [Test]
    public async Task R8_the_versions_end_before_the_query_token_is_given_up()
    {
        var body = (await Server.SendAsync("GET", "/_matrix/client/versions")).Ok();
        var versions = body.GetProperty("versions").EnumerateArray().Select(version => version.GetString()).ToList();

        Assert.That(versions, Does.Contain("r0.6.1").And.Contain("v1.1").And.Contain("v1.11"));
        Assert.That(versions, Does.Not.Contain("v1.12"));
    }

    [TestCase("/pushrules/")]
    [TestCase("/pushrules")]
    public async Task The_push_rules_are_empty_with_and_without_a_slash(string path)
    {
        var device = await Server.RegisterAsync();
        var global = (await device.CallAsync("GET", path)).Ok().GetProperty("global");

        foreach (var kind in new[] { "override", "content", "room", "sender", "underride" })
            Assert.That(global.GetProperty(kind).GetArrayLength(), Is.Zero);
    }

    [Test]
    public async Task There_are_capabilities()
    {
        var device = await Server.RegisterAsync();
        var capabilities = (await device.CallAsync("GET", "/capabilities")).Ok().GetProperty("capabilities");
        Assert.That(capabilities.GetProperty("m.change_password").GetProperty("enabled").GetBoolean(), Is.False);
    }

    [Test]
    public async Task There_is_no_key_backup()
    {
        var device = await Server.RegisterAsync();
        (await device.CallAsync("GET", "/room_keys/version")).IsError(404, "M_NOT_FOUND");
    }

    [Test]
    public async Task A_server_that_runs_is_healthy() =>
        Assert.That((await Server.SendAsync("GET", "/health")).Status, Is.EqualTo(200));
}
