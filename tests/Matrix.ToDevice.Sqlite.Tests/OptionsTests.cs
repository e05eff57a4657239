using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice.Tests;

/// <summary>Options that cannot work keep the server from starting, and its first line says which and what they can be.</summary>
public class OptionsTests
{
    private string _path = null!;

    [SetUp]
    public void SetUp() => _path = TestFolder.NewFile();

    [TestCase("", "is empty; it must name a file")]
    [TestCase(" ", "is empty; it must name a file")]
    [TestCase(null, "is empty; it must name a file")]
    [TestCase("Data Source=:memory:", "is without a file; it must name one")]
    [TestCase("Mode=ReadWrite", "is without a file; it must name one")]
    [TestCase("Data Source=x.db;Mode=Memory", "is without a file; it must name one")]
    [TestCase("Data Source=x.db;Mode=ReadOnly", "is with Mode=ReadOnly; the store has to write")]
    [TestCase("Colour=green", "it must be one of Microsoft.Data.Sqlite")]
    [TestCase("x.db", "it must be one of Microsoft.Data.Sqlite")]
    [TestCase("Data Source=x.db;Mode=Green", "it must be one of Microsoft.Data.Sqlite")]
    [TestCase("Data Source=x.db;Default Timeout=99999999999", "it must be one of Microsoft.Data.Sqlite")]
    [TestCase("Data Source=x.db;Password=secret;Colour=green", "it must be one of Microsoft.Data.Sqlite")]
    public void A_connection_string_that_cannot_serve_stops_the_host_at_its_start(string? connectionString, string message) => Assert.That(
        () => StartAsync(options => options.ConnectionString = connectionString!),
        Refused($"{nameof(SqliteStoreOptions)}.{nameof(SqliteStoreOptions.ConnectionString)}").And.Message.Contains(message).And.Message.Not.Contains("secret"));

    private static readonly (string, Action<SqliteStoreOptions>)[] s_impossible =
    [
        ("Durability is 7; it must be Full or Normal", options => options.Durability = (SqliteDurability)7),
        ("CheckpointBytes is 0; it must be at least 1", options => options.CheckpointBytes = 0),
        ("CheckpointBytes is -1; it must be at least 1", options => options.CheckpointBytes = -1),
        ("CacheBytes is 0; it must be at least 1", options => options.CacheBytes = 0),
        ("BusyTimeout is -00:00:01; it must be zero or more", options => options.BusyTimeout = TimeSpan.FromSeconds(-1)),
        ("BusyTimeout is 25.00:00:00; it must be zero or more, and less than 24 days", options => options.BusyTimeout = TimeSpan.FromDays(25)),
    ];

    [TestCaseSource(nameof(s_impossible))]
    public void An_option_that_cannot_work_stops_the_host_at_its_start((string Message, Action<SqliteStoreOptions> Set) impossible)
    {
        Assert.That(() => StartAsync(impossible.Set), Refused($"SqliteStoreOptions.{impossible.Message}"));
        Assert.That(File.Exists(_path), Is.False, "nothing was opened");
    }

    [Test]
    public void All_that_is_wrong_is_said_at_once() => Assert.That(
        () => StartAsync(options => (options.ConnectionString, options.CacheBytes) = ("", 0)),
        Refused("ConnectionString is empty").And.Message.Contains("CacheBytes is 0"));

    [Test]
    public void Without_a_host_they_are_refused_at_the_first_use()
    {
        var services = new ServiceCollection();
        services.AddSendToDevice().UseSqlite("");
        using var provider = services.BuildServiceProvider();

        Assert.That(
            async () => await provider.GetRequiredService<IDeviceInbox>().RemoveDeviceAsync(new DeviceAddress("@bob:hs1", "B1"), default),
            Refused("ConnectionString is empty"));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task They_may_come_from_services_or_configuration(bool isFromServices)
    {
        var connectionString = $"Data Source={_path}";
        var services = new ServiceCollection();
        services.AddSingleton(new MySettings(connectionString));
        if (isFromServices)
        {
            services.AddSendToDevice().UseSqlite((provider, options) => options.ConnectionString = provider.GetRequiredService<MySettings>().Database);
        }
        else
        {
            var configuration = new ConfigurationBuilder().AddInMemoryCollection([new("ToDevice:ConnectionString", connectionString)]).Build();
            services.Configure<SqliteStoreOptions>(configuration.GetSection("ToDevice"));
            services.AddSendToDevice().UseSqlite();
        }

        await using var provider = services.BuildServiceProvider();
        await provider.GetRequiredService<IDeviceInbox>().RemoveDeviceAsync(new DeviceAddress("@bob:hs1", "B1"), default);

        Assert.That(File.Exists(_path));
    }

    private sealed record MySettings(string Database);

    [Test]
    public async Task The_smallest_and_largest_that_can_work_do()
    {
        foreach (var busy in (TimeSpan[])[TimeSpan.Zero, TimeSpan.FromMilliseconds(int.MaxValue)])
        {
            await using var store = SqliteStores.Open(_path, options => (options.CheckpointBytes, options.CacheBytes, options.BusyTimeout) = (1, 1, busy));
            for (var n = 0; n < 20; n++) await store.SendAsync($"{busy}{n}", new string('x', 10_000), "B1");
        }

        await using var again = SqliteStores.Open(_path);
        Assert.That((await again.SyncAsync("B1")).Contents, Has.Count.EqualTo(40));
    }

    private async Task StartAsync(Action<SqliteStoreOptions> configure)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSendToDevice().UseSqlite(options =>
        {
            options.ConnectionString = $"Data Source={_path}";
            configure(options);
        });
        await using var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        await app.StartAsync();
    }

    private static NUnit.Framework.Constraints.ContainsConstraint Refused(string message) =>
        Throws.TypeOf<OptionsValidationException>().With.Message.Not.Contains('\n').And.Message.Contains(message);
}
