using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Matrix.ToDevice.Tool;

/// <summary>A store as a host has it, from its package: what is changed is changed by that.</summary>
internal sealed class StoreServices : IAsyncDisposable
{
    private readonly ServiceProvider _services;

    private StoreServices(ServiceProvider services) => _services = services;

    public IDeviceInbox Inbox => _services.GetRequiredService<IDeviceInbox>();

    public IFederationOutbox Outbox => _services.GetRequiredService<IFederationOutbox>();

    /// <param name="address">Which one.</param>
    /// <param name="migrate">Whether tables are made and brought up. A SQLite store always does that: look at its version before.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static async Task<StoreServices> OpenAsync(StoreAddress address, bool migrate, CancellationToken cancellationToken)
    {
        var builder = new Builder(new ServiceCollection());
        if (address is SqliteAddress sqlite)
        {
            builder.UseSqlite(new Microsoft.Data.Sqlite.SqliteConnectionStringBuilder { DataSource = sqlite.Path }.ToString());
        }
        else
        {
            var postgreSql = (PostgreSqlAddress)address;
            var layout = (await PostgreSqlOpening.FindAsync(postgreSql, cancellationToken)).Layout;
            builder.UsePostgreSql(options => (options.ConnectionString, options.Schema, options.Migrate, options.Layout) =
                (postgreSql.Settings.ToString(), postgreSql.Schema, migrate, layout));
        }

        var services = builder.Services.BuildServiceProvider();
        try
        {
            foreach (var start in services.GetServices<IHostedService>()) await start.StartAsync(cancellationToken);
            return new StoreServices(services);
        }
        catch (Exception exception)
        {
            await services.DisposeAsync();
            if (exception is Microsoft.Extensions.Options.OptionsValidationException) throw ToolException.Usage(exception.Message);
            throw;
        }
    }

    public ValueTask DisposeAsync() => _services.DisposeAsync();

    private sealed record Builder(IServiceCollection Services) : ISendToDeviceBuilder;
}
