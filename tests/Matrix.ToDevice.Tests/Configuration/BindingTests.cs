using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice.Tests.Configuration;

/// <summary>The options as a section of the configuration has them.</summary>
public class BindingTests
{
    [Test]
    public void Every_kind_of_option_is_read_by_its_name()
    {
        using var services = Build(
            "MaxBodyBytes", "1000", "MaxInboundEduBytes", "2000", "SyncPollInterval", "00:00:07", "MessageExpiry", "30.00:00:00",
            "DropStaleRequests", "true", "Quota:MaxMessages", "1000", "Quota:MaxBytes", "5000000000", "Quota:Policy", "DropOld", "Quota:MaxAge", "7.00:00:00",
            "RateLimits:Senders:Burst", "100", "RateLimits:Senders:PerSecond", "2.5", "RateLimits:Recipients:Burst", "50",
            "RateLimits:Recipients:PerSecond", "1", "RateLimits:Servers:Burst", "500", "RateLimits:Servers:PerSecond", "50",
            "Federation:MaxPause", "00:01:00", "Federation:UnreachableExpiry", "", "Appservices:Expiry", "1.00:00:00", "InMemory:CapacityBytes", "20000000",
            "Sqlite:BusyTimeout", "00:00:01");

        var options = services.GetRequiredService<IOptions<SendToDeviceOptions>>().Value;

        Assert.That((options.MaxBodyBytes, options.MaxInboundEduBytes, options.SyncPollInterval), Is.EqualTo((1000, 2000, TimeSpan.FromSeconds(7))));
        Assert.That((options.MessageExpiry, options.DropStaleRequests), Is.EqualTo((TimeSpan.FromDays(30), true)));
        Assert.That((options.Quota.MaxMessages, options.Quota.MaxBytes), Is.EqualTo((1000, 5_000_000_000)));
        Assert.That((options.Quota.Policy, options.Quota.MaxAge), Is.EqualTo((QuotaPolicy.DropOld, TimeSpan.FromDays(7))));
        Assert.That((options.RateLimits.Senders!.Burst, options.RateLimits.Senders.PerSecond), Is.EqualTo((100, 2.5)));
        Assert.That((options.RateLimits.Recipients!.Burst, options.RateLimits.Servers!.Burst), Is.EqualTo((50, 500)));
        Assert.That(services.GetRequiredService<IOptions<FederationSenderOptions>>().Value.MaxPause, Is.EqualTo(TimeSpan.FromMinutes(1)));
        Assert.That(services.GetRequiredService<IOptions<AppserviceOptions>>().Value.Expiry, Is.EqualTo(TimeSpan.FromDays(1)));
        Assert.That(services.GetRequiredService<IOptions<InMemoryOptions>>().Value.CapacityBytes, Is.EqualTo(20_000_000));
    }

    [Test]
    public void What_code_says_wins()
    {
        var services = new ServiceCollection();
        services.AddSendToDevice(Section("SyncLimit", "5", "MaxUsers", "6"), options => options.SyncLimit = 7).UseInMemory();
        using var provider = services.BuildServiceProvider();

        var options = provider.GetRequiredService<IOptions<SendToDeviceOptions>>().Value;

        Assert.That((options.SyncLimit, options.MaxUsers), Is.EqualTo((7, 6)));
    }

    [TestCase("Qouta:MaxMessages", "ToDevice:Qouta")]
    [TestCase("Quota:MaxMesages", "ToDevice:Quota:MaxMesages")]
    [TestCase("RateLimits:Sender:Burst", "ToDevice:RateLimits:Sender")]
    [TestCase("RateLimits:Senders:Brust", "ToDevice:RateLimits:Senders:Brust")]
    [TestCase("Federation:MaxPauze", "ToDevice:Federation:MaxPauze")]
    [TestCase("Appservices:MaxPauze", "ToDevice:Appservices:MaxPauze")]
    [TestCase("InMemory:Capacity", "ToDevice:InMemory:Capacity")]
    public void A_key_that_is_no_option_is_named_at_start(string key, string named)
    {
        using var services = Build(key, "1");

        Assert.That(() => services.GetRequiredService<IOptions<SendToDeviceOptions>>().Value,
            Throws.TypeOf<OptionsValidationException>().With.Message.Contains($"{named} is set, and there is no such option."));
    }

    [TestCase("SyncLimit", "0", "SendToDeviceOptions.SyncLimit, set as ToDevice:SyncLimit, is 0; it must be at least 1.")]
    [TestCase("Quota:MaxMessages", "0", "SendToDeviceOptions.Quota.MaxMessages, set as ToDevice:Quota:MaxMessages, is 0; it must be at least 1.")]
    [TestCase("Quota:MaxBytes", "-1", "ToDevice:Quota:MaxBytes, is -1; it must be at least 1.")]
    [TestCase("Quota:Policy", "DropOld", "SendToDeviceOptions.Quota.MaxAge is not set; DropOld needs it")]
    [TestCase("Quota:Policy", "9", "ToDevice:Quota:Policy, is 9; it must be Refuse, DropOldest or DropOld.")]
    [TestCase("Quota:MaxAge", "00:00:00", "ToDevice:Quota:MaxAge, is 00:00:00; it must be more than zero.")]
    [TestCase("MessageExpiry", "-1", "ToDevice:MessageExpiry, is -1.00:00:00; it must be more than zero.")]
    [TestCase("Quota:MaxAge", "604800", "ToDevice:Quota:MaxAge, is 604800.00:00:00; it must be no more than 36500 days")]
    [TestCase("MessageExpiry", "2592000", "ToDevice:MessageExpiry, is 2592000.00:00:00; it must be no more than 36500 days")]
    [TestCase("RateLimits:Senders:PerSecond", "1", "SendToDeviceOptions.RateLimits.Senders.Burst is 0; it must be at least 1.")]
    [TestCase("RateLimits:Recipients:Burst", "1", "SendToDeviceOptions.RateLimits.Recipients.PerSecond is 0; it must be more than zero")]
    [TestCase("RateLimits:Recipients:PerSecond", "NaN", "ToDevice:RateLimits:Recipients:PerSecond, is NaN; it must be more than zero")]
    [TestCase("RateLimits:Senders:PerSecond", "9E-10", "ToDevice:RateLimits:Senders:PerSecond, is 9E-10; it must be at least 1E-09")]
    [TestCase("RateLimits:Servers:Burst", "99", "ToDevice:RateLimits:Servers:Burst, is 99; it must be at least 100")]
    public void An_option_that_is_wrong_is_named_with_its_key(string key, string value, string message)
    {
        using var services = Build(key, value);

        Assert.That(() => services.GetRequiredService<IOptions<SendToDeviceOptions>>().Value,
            Throws.TypeOf<OptionsValidationException>().With.Message.Contains(message));
    }

    [Test]
    public void So_are_those_of_the_other_sections()
    {
        using var services = Build("Federation:MaxEdus", "0", "Appservices:PollInterval", "0", "InMemory:CapacityBytes", "1");

        Assert.That(() => services.GetRequiredService<IOptions<FederationSenderOptions>>().Value,
            Throws.TypeOf<OptionsValidationException>().With.Message.Contains("FederationSenderOptions.MaxEdus, set as ToDevice:Federation:MaxEdus, is 0"));
        Assert.That(() => services.GetRequiredService<IOptions<AppserviceOptions>>().Value,
            Throws.TypeOf<OptionsValidationException>().With.Message.Contains("set as ToDevice:Appservices:PollInterval, is 00:00:00"));
        Assert.That(() => services.GetRequiredService<IOptions<InMemoryOptions>>().Value,
            Throws.TypeOf<OptionsValidationException>().With.Message.Contains("set as ToDevice:InMemory:CapacityBytes, is 1"));
    }

    [TestCase("SyncLimit", "many")]
    [TestCase("Quota:MaxMessages", "1e3")]
    [TestCase("MessageExpiry", "a month")]
    [TestCase("Quota:Policy", "DropNothing")]
    public void A_value_that_is_of_another_type_is_named_with_its_key(string key, string value)
    {
        using var services = Build(key, value);

        Assert.That(() => services.GetRequiredService<IOptions<SendToDeviceOptions>>().Value,
            Throws.InvalidOperationException.With.Message.Contains($"ToDevice:{key}"));
    }

    [TestCase("MessageExpiry", "1.00:00:00")]
    [TestCase("Quota:MaxMessages", "1")]
    [TestCase("Quota:MaxBytes", "1")]
    public async Task What_the_store_cannot_do_is_refused_at_start(string key, string value)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Services.AddSendToDevice(Section(key, value)).UseInMemory();
        builder.Services.RemoveAll<IStoreUpkeep>();
        await using var app = builder.Build();

        Assert.That(() => app.StartAsync(), Throws.TypeOf<OptionsValidationException>().With.Message.Contains($"ToDevice:{key}").And.Message.Contains("IStoreUpkeep"));
    }

    private static ServiceProvider Build(params string[] settings)
    {
        var services = new ServiceCollection();
        services.AddSendToDevice(Section(settings)).UseInMemory().UseFederation<TestTransport>().UseAppservices<TestAppservices>(_ => { });
        return services.BuildServiceProvider();
    }

    private static IConfigurationSection Section(params string[] settings) => new ConfigurationBuilder()
        .AddInMemoryCollection(settings.Chunk(2).Select(pair => KeyValuePair.Create($"ToDevice:{pair[0]}", (string?)pair[1]))).Build().GetSection("ToDevice");
}
