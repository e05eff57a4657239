using Matrix.ToDevice;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Names SQLite as the store of the send-to-device module.</summary>
public static class SqliteBuilderExtensions
{
    /// <summary>Keeps everything in one SQLite file.</summary>
    /// <param name="builder">The module's builder.</param>
    /// <param name="connectionString">The connection string of Microsoft.Data.Sqlite: <c>Data Source=todevice.db</c>.</param>
    public static ISendToDeviceBuilder UseSqlite(this ISendToDeviceBuilder builder, string connectionString) =>
        builder.UseSqlite(options => options.ConnectionString = connectionString);

    /// <inheritdoc cref="UseSqlite(ISendToDeviceBuilder, string)"/>
    /// <param name="builder">The module's builder.</param>
    /// <param name="configure">
    /// Sets the connection string and whatever else should not be as it is. Without it they come from elsewhere:
    /// <c>services.Configure&lt;SqliteStoreOptions&gt;(configuration.GetSection("ToDevice"))</c>.
    /// </param>
    public static ISendToDeviceBuilder UseSqlite(this ISendToDeviceBuilder builder, Action<SqliteStoreOptions>? configure = null) =>
        builder.UseSqlite((_, options) => configure?.Invoke(options));

    /// <inheritdoc cref="UseSqlite(ISendToDeviceBuilder, string)"/>
    /// <param name="builder">The module's builder.</param>
    /// <param name="configure">Sets options with the help of the application's services.</param>
    public static ISendToDeviceBuilder UseSqlite(this ISendToDeviceBuilder builder, Action<IServiceProvider, SqliteStoreOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);

        builder.Services.AddOptions<SqliteStoreOptions>()
            .Configure<IServiceProvider>((options, services) => configure(services, options)).ValidateOnStart();
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<SqliteStoreOptions>, SqliteStoreOptionsValidator>());
        builder.Services.TryAddSingleton(TimeProvider.System);
        // A file that cannot be used is found out at start, not by the first client.
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, SqliteStart>());
        return builder.UseStore<SqliteStore>();
    }

    private sealed class SqliteStart(IServiceProvider services) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            // Another store may have been named since.
            if (services.GetService<ITransactionStore>() is SqliteStore store) store.Open();
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
