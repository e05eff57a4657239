using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests.Configuration;

/// <summary>The configuration changes while the server runs.</summary>
public class ReloadTests
{
    private CapturedLog _log = null!;
    private Settings _settings = null!;
    private TestHomeserver _server = null!;
    private TestClient _alice = null!;
    private TestClient _bob = null!;

    [SetUp]
    public async Task StartAsync()
    {
        (_log, _settings) = (new CapturedLog(), new Settings());
        Change(("SyncLimit", "2"));
        var configuration = new ConfigurationBuilder().Add(_settings).Build();
        _server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.AddSendToDevice(configuration.GetSection("ToDevice"));
            _log.AddTo(builder, LogLevel.Information);
        });
        _alice = _server.Login("@alice:hs1", "A1");
        _bob = _server.Login("@bob:hs1", "B1");
        for (var n = 0; n < 5; n++) await _alice.SendAsync($"t{n}", "@bob:hs1", "B1");
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _server.DisposeAsync();
        _log.Dispose();
    }

    [Test]
    public async Task The_limit_of_a_sync_is_the_new_one()
    {
        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(2));

        Change(("SyncLimit", "4"));

        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(4));
    }

    [Test]
    public async Task So_are_rate_limits_and_quotas_and_what_a_body_may_have()
    {
        Change(("RateLimits:Senders:Burst", "1"), ("RateLimits:Senders:PerSecond", "0.001"), ("Quota:MaxMessages", "5"));
        (await _alice.SendAsync("a", "@nobody:hs1", "B1")).ShouldBeAccepted();
        (await _alice.SendAsync("b", "@nobody:hs1", "B1")).ShouldBe(429, "M_LIMIT_EXCEEDED");
        (await _bob.SendAsync("b", "@bob:hs1", "B1")).ShouldBe(429, "M_LIMIT_EXCEEDED");

        Change(("RateLimits:Senders:Burst", null), ("RateLimits:Senders:PerSecond", null), ("Quota:MaxMessages", null), ("MaxContentBytes", "9"));

        (await _alice.SendAsync("b", "@bob:hs1", "B1")).ShouldBeAccepted();
        (await _alice.SendAsync("c", "@bob:hs1", "B1", """{"k":"xx"}""")).ShouldBe(413, "M_TOO_LARGE");
    }

    /// <summary>It was delivered, and a client that got no answer would give it up.</summary>
    [TestCase("MaxBodyBytes", "20", 413)]
    [TestCase("MaxContentBytes", "9", 413)]
    [TestCase("MaxContentDepth", "1", 400)]
    [TestCase("MaxUsers", "1", 400)]
    [TestCase("MaxServers", "1", 400)]
    [TestCase("MaxDevices", "4", 400)]
    public async Task D14_a_retry_of_what_was_committed_is_answered_200_whatever_has_been_lowered_since(string key, string value, int status)
    {
        const string Body = """{"messages":{"@bob:hs1":{"*":{"k":{"l":1}}},"@c:hs2":{"*":{}},"@d:hs3":{"*":{}}}}""";
        for (var n = 2; n <= 5; n++) _server.Login("@bob:hs1", $"B{n}");
        (await _alice.PutAsync("m.test", "once", Body)).ShouldBeAccepted();

        Change((key, value));

        (await _alice.PutAsync("m.test", "once", Body)).ShouldBeAccepted();
        Assert.That((await _alice.PutAsync("m.test", "new", Body)).Status, Is.EqualTo(status));
        Change(("SyncLimit", "10"));
        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(6));
    }

    [TestCase("SyncLimit", "0")]
    [TestCase("SyncLimit", "many")]
    [TestCase("SyncLimt", "3")]
    public async Task What_is_not_valid_leaves_the_last_good_values_and_is_logged(string key, string value)
    {
        Change(("SyncLimit", "3"));

        Assert.That(() => Change((key, value)), Throws.Nothing);

        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(3));
        Assert.That(_log.Entries.Single(entry => entry.Level == LogLevel.Error).Text, Does.Contain($"ToDevice:{key}"));
        Change((key, key == "SyncLimit" ? "4" : null));
        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(key == "SyncLimit" ? 4 : 3), "and the next good ones are taken");
    }

    private void Change(params (string Key, string? Value)[] settings)
    {
        foreach (var (key, value) in settings) _settings.Change($"ToDevice:{key}", value);
        _settings.Tell();
    }

    /// <summary>As a file would be that somebody edits.</summary>
    private sealed class Settings : ConfigurationProvider, IConfigurationSource
    {
        public IConfigurationProvider Build(IConfigurationBuilder builder) => this;

        public void Change(string key, string? value)
        {
            if (value is null) Data.Remove(key);
            else Data[key] = value;
        }

        public void Tell() => OnReload();
    }
}
