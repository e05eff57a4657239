using System.Security.Claims;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>A host with ASP.NET Core authentication: a middleware in its place signs users in.</summary>
public class ClaimsAuthTests
{
    private ClaimsPrincipal _user = null!;
    private TestHomeserver _server = null!;
    private TestClient _client = null!;
    private TestClient _bob = null!;

    [SetUp]
    public void SignOut() => _user = new ClaimsPrincipal(new ClaimsIdentity());

    [TearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    [Test]
    public async Task R20_the_claims_name_the_sender()
    {
        await StartAsync();
        _user = SignedIn(new Claim(ClaimTypes.NameIdentifier, "@alice:hs1"), new Claim("device_id", "A1"));

        (await _client.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That(await SendersAsync(), Is.EqualTo(new[] { "@alice:hs1" }));
    }

    [Test]
    public async Task R42_the_claims_name_the_device()
    {
        await StartAsync();
        foreach (var device in (string[])["A1", "A1", "A2"])
        {
            _user = SignedIn(new Claim(ClaimTypes.NameIdentifier, "@alice:hs1"), new Claim("device_id", device));
            (await _client.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        }

        Assert.That(await SendersAsync(), Has.Exactly(2).Items);
    }

    [Test]
    public async Task R20_a_host_names_its_own_claims()
    {
        await StartAsync("mxid", "did");
        _user = SignedIn(new Claim("mxid", "@alice:hs1"), new Claim(ClaimTypes.NameIdentifier, "17"), new Claim("did", "A1"));

        (await _client.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That(await SendersAsync(), Is.EqualTo(new[] { "@alice:hs1" }));
    }

    [Test]
    public async Task R12_a_guest_and_D2_an_appservice_without_a_device_are_let_through()
    {
        await StartAsync();
        _user = SignedIn(new Claim(ClaimTypes.NameIdentifier, "@guest:hs1"), new Claim("device_id", "G1"), new Claim("guest", "1"));
        (await _client.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        _user = SignedIn(new Claim(ClaimTypes.NameIdentifier, "@bridge:hs1"), new Claim("appservice", "irc"));
        (await _client.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That(await SendersAsync(), Is.EqualTo(new[] { "@guest:hs1", "@bridge:hs1" }));
    }

    [Test]
    public async Task R62_who_has_no_device_is_refused_unless_it_is_an_appservice()
    {
        await StartAsync();
        _user = SignedIn(new Claim(ClaimTypes.NameIdentifier, "@alice:hs1"));

        (await _client.SendAsync("t1", "@bob:hs1", "B1")).ShouldBe(401, "M_UNKNOWN_TOKEN");
    }

    [TestCase("3f2504e0-4f89-11d3-9a0c-0305e82c3301")]
    [TestCase("17")]
    [TestCase("alice")]
    public async Task R20_a_claim_that_is_no_user_ID_is_nobody(string userId)
    {
        await StartAsync();
        _user = SignedIn(new Claim(ClaimTypes.NameIdentifier, userId), new Claim("device_id", "A1"));

        (await _client.SendAsync("t1", "@bob:hs1", "B1")).ShouldBe(503, "M_UNKNOWN");

        Assert.That(await SendersAsync(), Is.Empty);
    }

    [TestCase("", "device_id")]
    [TestCase("sub", " ")]
    public void The_claims_have_to_be_named(string userIdClaim, string deviceIdClaim) =>
        Assert.That(() => new ServiceCollection().AddSendToDevice().UseClaimsAuth(userIdClaim, deviceIdClaim), Throws.ArgumentException);

    [Test]
    public async Task R9_a_token_that_nobody_was_signed_in_with_is_unknown()
    {
        await StartAsync();

        (await _client.SendAsync("t1", "@bob:hs1", "B1")).ShouldBe(401, "M_UNKNOWN_TOKEN");
    }

    [Test]
    public async Task R9_a_request_without_a_token_is_told_so()
    {
        await StartAsync();

        using var response = await _server.Http.PutAsync(new Uri("/_matrix/client/v3/sendToDevice/m.test/t1", UriKind.Relative), null);

        (await TestResponse.ReadAsync(response)).ShouldBe(401, "M_MISSING_TOKEN");
    }

    [Test]
    public async Task R9_claims_of_somebody_who_is_not_authenticated_do_not_count()
    {
        await StartAsync();
        _user = new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.NameIdentifier, "@alice:hs1"), new Claim("device_id", "A1")]));

        (await _client.SendAsync("t1", "@bob:hs1", "B1")).ShouldBe(401, "M_UNKNOWN_TOKEN");
    }

    private async Task StartAsync(string userIdClaim = ClaimTypes.NameIdentifier, string deviceIdClaim = "device_id")
    {
        _server = await TestHomeserver.StartAsync(
            builder => builder.UseClaimsAuth(userIdClaim, deviceIdClaim, options => (options.GuestClaim, options.AppserviceClaim) = ("guest", "appservice")),
            app =>
            {
                app.Use((context, next) =>
                {
                    context.User = _user;
                    return next(context);
                });
                app.MapSendToDevice();
            });
        _client = _server.Login("@nobody:hs1", "N1");
        _bob = _server.Login("@bob:hs1", "B1");
    }

    private async Task<IEnumerable<string>> SendersAsync()
    {
        using var batch = await _server.ToDevice.NextAsync(new DeviceAddress("@bob:hs1", "B1"), null, TimeSpan.Zero, default);
        return [.. batch.Events.Select(message => message.Sender)];
    }

    private static ClaimsPrincipal SignedIn(params Claim[] claims) => new(new ClaimsIdentity(claims, "test"));
}
