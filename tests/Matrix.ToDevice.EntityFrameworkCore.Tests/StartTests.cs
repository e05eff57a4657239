using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Matrix.ToDevice.Tests;

/// <summary>What cannot work is refused at start, in one line that says what to do.</summary>
public class StartTests
{
    private static readonly SqliteDatabases s_databases = new();

    [Test]
    public void A_context_that_is_not_registered_is_refused() =>
        Refused(_ => { }, "UseEntityFrameworkCore<HomeserverDb>()", "services.AddDbContext<HomeserverDb>");

    [Test]
    public void A_model_without_the_tables_is_refused()
    {
        var services = new ServiceCollection();
        services.AddDbContext<EmptyDb>(options => s_databases.Use(options, "empty"));
        services.AddSendToDevice().UseEntityFrameworkCore<EmptyDb>();
        Refused(services, "EmptyDb", "modelBuilder.AddToDevice()");
    }

    [Test]
    public void A_provider_without_transactions_is_refused() =>
        Refused(services => services.AddDbContext<HomeserverDb>(options => options.UseInMemoryDatabase("memory")), "InMemory", "relational");

    [Test]
    public void A_context_that_all_share_is_refused() =>
        Refused(services => services.AddDbContext<HomeserverDb>(options => s_databases.Use(options, "shared"), ServiceLifetime.Singleton), "HomeserverDb is a singleton");

    [Test]
    public async Task A_store_that_was_named_later_is_not_in_the_way()
    {
        var services = new ServiceCollection();
        services.AddSendToDevice().UseEntityFrameworkCore<HomeserverDb>().UseInMemory();
        await using var provider = services.BuildServiceProvider();
        foreach (var service in Starts(provider)) await service.StartAsync(default);
        Assert.That(provider.GetRequiredService<ITransactionStore>(), Is.SameAs(provider.GetRequiredService<IDeviceInbox>()));
    }

    [Test]
    public async Task The_database_may_come_later()
    {
        var services = new ServiceCollection();
        services.AddDbContext<HomeserverDb>(options => options.UseNpgsql("Host=127.0.0.1;Port=1"));
        services.AddSendToDevice().UseEntityFrameworkCore<HomeserverDb>();
        await using var provider = services.BuildServiceProvider();
        foreach (var service in Starts(provider)) await service.StartAsync(default);
    }

    private static void Refused(Action<IServiceCollection> register, params string[] words)
    {
        var services = new ServiceCollection();
        register(services);
        services.AddSendToDevice().UseEntityFrameworkCore<HomeserverDb>();
        Refused(services, words);
    }

    private static void Refused(IServiceCollection services, params string[] words)
    {
        using var provider = services.BuildServiceProvider();
        var refusal = Assert.ThrowsAsync<InvalidOperationException>(async () =>
        {
            foreach (var service in Starts(provider)) await service.StartAsync(default);
        })!.Message;
        foreach (var word in words) Assert.That(refusal, Does.Contain(word));
        Assert.That(refusal, Does.Not.Contain('\n'));
    }

    /// <summary>The checks: the module's own background services have nothing to do here.</summary>
    private static IEnumerable<IHostedService> Starts(IServiceProvider provider) =>
        provider.GetServices<IHostedService>().Where(service => service.GetType().Name.StartsWith("EntityFramework", StringComparison.Ordinal));

    private sealed class EmptyDb(DbContextOptions<EmptyDb> options) : DbContext(options);
}
