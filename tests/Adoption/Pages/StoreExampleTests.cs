using Matrix.ToDevice;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Adoption;

/// <summary>The registrations that the pages show are those of the stores that they name.</summary>
internal sealed class StoreExampleTests
{
    private const string Server = "Host=127.0.0.1;Database=matrix;Username=matrix";

    [Test]
    public async Task Each_store_is_registered_as_operations_shows_it()
    {
        var (sqlite, shared, own) = (new ServiceCollection(), new ServiceCollection(), new ServiceCollection());
        StoreExamples.AddSqlite(sqlite);
        StoreExamples.AddPostgreSql(shared, Server);
        StoreExamples.AddEntityFrameworkCore(own);

        Assert.That((StoreOf(sqlite), StoreOf(shared), StoreOf(own)), Is.EqualTo(("SqliteStore", "PostgreSqlStore", "EntityFrameworkStore`1")));
        var options = await OptionsOfAsync<SqliteStoreOptions>(sqlite);
        Assert.That((options.ConnectionString, options.Durability), Is.EqualTo(("Data Source=/var/lib/myserver/todevice.db", SqliteDurability.Full)));
        Assert.That((await OptionsOfAsync<PostgreSqlStoreOptions>(shared)).Schema, Is.EqualTo("to_device"));
    }

    [Test]
    public async Task Each_store_is_registered_as_its_package_shows_it()
    {
        var (first, sqlite, shared, own) = (WebApplication.CreateBuilder(), WebApplication.CreateBuilder(), WebApplication.CreateBuilder(), WebApplication.CreateBuilder());
        first.Services.AddSendToDevice().UseInMemory().UseAuth<PackageExamples.MyAuthResolver>().UseDirectory<PackageExamples.MyDirectory>();
        await using var app = first.Build();
        PackageExamples.Adopt(WebApplication.CreateBuilder(), app);
        PackageExamples.AddSqlite(sqlite);
        PackageExamples.AddPostgreSql(shared, Server);
        PackageExamples.AddEntityFrameworkCore(own, Server);

        Assert.That(
            (StoreOf(sqlite.Services), StoreOf(shared.Services), StoreOf(own.Services)), Is.EqualTo(("SqliteStore", "PostgreSqlStore", "EntityFrameworkStore`1")));
    }

    private static string StoreOf(IServiceCollection services) =>
        services.Select(service => service.ServiceType).Single(type => type.IsClass && type.IsAssignableTo(typeof(ITransactionStore))).Name;

    private static async Task<TOptions> OptionsOfAsync<TOptions>(IServiceCollection services)
        where TOptions : class
    {
        await using var provider = services.BuildServiceProvider();
        return provider.GetRequiredService<IOptions<TOptions>>().Value;
    }
}
