using Matrix.ToDevice;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Adoption;

/// <summary>The pages of the packages, as they register their stores; <see cref="StoreExampleTests"/> runs it.</summary>
internal static class PackageExamples
{
    public static void Adopt(WebApplicationBuilder builder, WebApplication app)
    {
        builder.Services.AddSendToDevice()
            .UseInMemory()                 // or a durable store
            .UseAuth<MyAuthResolver>()     // who is asking?
            .UseDirectory<MyDirectory>();  // which devices does a user have?

        app.UseToDeviceErrors();           // a bad since in your own /sync is its Matrix error, and not a 500
        app.MapSendToDevice();
    }

    public static async Task<object> SyncAsync(
        ToDeviceSync toDevice, DeviceAddress device, string? since, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var batch = await toDevice.NextAsync(device, since, timeout, cancellationToken);
        return new { next_batch = batch.NextBatch, to_device = batch.ToEvents() };
    }

    public static void AddSqlite(WebApplicationBuilder builder)
    {
        builder.Services.AddSendToDevice()
            .UseSqlite("Data Source=todevice.db");
    }

    public static void AddPostgreSql(WebApplicationBuilder builder, string connectionString)
    {
        builder.Services.AddNpgsqlDataSource(connectionString); // or hand UsePostgreSql a data source or a connection string
        builder.Services.AddSendToDevice()
            .UsePostgreSql();
        builder.Services.AddHealthChecks()
            .AddSendToDevice();
    }

    public static void AddEntityFrameworkCore(WebApplicationBuilder builder, string connectionString)
    {
        builder.Services.AddDbContext<HomeserverDb>(options => options.UseNpgsql(connectionString));   // as you have it already
        builder.Services.AddSendToDevice()
            .UseEntityFrameworkCore<HomeserverDb>()
            .UseAuth<MyAuth>(ServiceLifetime.Scoped)            // who is asking?
            .UseDirectory<MyDevices>(ServiceLifetime.Scoped);   // which devices does a user have?
    }

    // Stands for the one of Npgsql.DependencyInjection, which needs a newer Npgsql than the lowest, and that is the one that is tried here.
    private static void AddNpgsqlDataSource(this IServiceCollection services, string connectionString) =>
        services.AddSingleton(NpgsqlDataSource.Create(connectionString));

    internal sealed class MyAuth : MyAuthResolver;

    internal sealed class MyDevices : MyDirectory;

    internal class MyAuthResolver : IAuthResolver
    {
        public ValueTask<AuthResult> ResolveAsync(HttpContext context, CancellationToken cancellationToken) => ValueTask.FromResult(AuthResult.MissingToken);
    }

    internal class MyDirectory : IDeviceDirectory
    {
        public ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken) =>
            ValueTask.FromResult<IReadOnlyList<UserDevices>>([.. userIds.Select(_ => UserDevices.Unknown)]);
    }
}

public class HomeserverDb(DbContextOptions<HomeserverDb> options) : DbContext(options)
{
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.AddToDevice();              // or AddToDevice("schema")
    }
}
