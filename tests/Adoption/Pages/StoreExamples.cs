using Matrix.ToDevice;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Adoption;

/// <summary>The stores as docs/operations.md registers them; <see cref="StoreExampleTests"/> runs it.</summary>
internal static class StoreExamples
{
    public static void AddSqlite(IServiceCollection services)
    {
        // <sqlite-services>
        services.AddSendToDevice().UseSqlite(options =>
        {
            options.ConnectionString = "Data Source=/var/lib/myserver/todevice.db";
            options.Durability = SqliteDurability.Full;
        });
        // </sqlite-services>
    }

    public static void AddPostgreSql(IServiceCollection services, string connectionString)
    {
        // <postgresql-services>
        services.AddSingleton(NpgsqlDataSource.Create(connectionString));   // or AddNpgsqlDataSource, of Npgsql.DependencyInjection
        services.AddSendToDevice().UsePostgreSql(options => options.Schema = "to_device");
        services.AddHealthChecks().AddSendToDevice();
        // </postgresql-services>
    }

    public static void AddEntityFrameworkCore(IServiceCollection services)
    {
        // <ef-services>
        services.AddSendToDevice().UseEntityFrameworkCore<HomeserverDb>();
        // </ef-services>
    }
}
