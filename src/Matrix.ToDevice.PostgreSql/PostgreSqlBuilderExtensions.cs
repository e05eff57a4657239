using Matrix.ToDevice;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Names PostgreSQL as the store of the send-to-device module.</summary>
public static class PostgreSqlBuilderExtensions
{
    /// <summary>Keeps everything in one PostgreSQL, which any number of hosts share.</summary>
    /// <param name="builder">The module's builder.</param>
    /// <param name="connectionString">Npgsql's connection string.</param>
    public static ISendToDeviceBuilder UsePostgreSql(this ISendToDeviceBuilder builder, string connectionString) =>
        builder.UsePostgreSql(options => options.ConnectionString = connectionString);

    /// <inheritdoc cref="UsePostgreSql(ISendToDeviceBuilder, string)"/>
    /// <param name="builder">The module's builder.</param>
    /// <param name="dataSource">The host's own data source. It stays the host's.</param>
    public static ISendToDeviceBuilder UsePostgreSql(this ISendToDeviceBuilder builder, NpgsqlDataSource dataSource) =>
        builder.UsePostgreSql(options => options.DataSource = dataSource);

    /// <inheritdoc cref="UsePostgreSql(ISendToDeviceBuilder, string)"/>
    /// <param name="builder">The module's builder.</param>
    /// <param name="configure">
    /// Sets what should not be as it is. Without a data source and a connection string, the application's
    /// <see cref="NpgsqlDataSource"/> is used (<c>services.AddNpgsqlDataSource(…)</c>).
    /// </param>
    public static ISendToDeviceBuilder UsePostgreSql(this ISendToDeviceBuilder builder, Action<PostgreSqlStoreOptions>? configure = null) =>
        builder.UsePostgreSql((_, options) => configure?.Invoke(options));

    /// <inheritdoc cref="UsePostgreSql(ISendToDeviceBuilder, string)"/>
    /// <param name="builder">The module's builder.</param>
    /// <param name="configure">Sets options with the help of the application's services.</param>
    public static ISendToDeviceBuilder UsePostgreSql(this ISendToDeviceBuilder builder, Action<IServiceProvider, PostgreSqlStoreOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);

        builder.Services.AddOptions<PostgreSqlStoreOptions>()
            .Configure<IServiceProvider>((options, services) => configure(services, options)).ValidateOnStart();
        builder.Services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IValidateOptions<PostgreSqlStoreOptions>, PostgreSqlStoreOptionsValidator>());
        builder.Services.TryAddSingleton(TimeProvider.System);
        // A database that cannot be used is found out at start, not by the first client.
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, PostgreSqlStart>());
        builder.Services.TryAddSingleton(services => new PostgreSqlDevices(
            services.GetRequiredService<ITransactionStore>() as PostgreSqlStore
            ?? throw new InvalidOperationException("Another store is in use: UsePostgreSql was not the last one to be called.")));
        return builder.UseStore<PostgreSqlStore>();
    }

    private sealed class PostgreSqlStart(IServiceProvider services) : IHostedService
    {
        public async Task StartAsync(CancellationToken cancellationToken)
        {
            // Another store may have been named since.
            if (services.GetService<ITransactionStore>() is PostgreSqlStore store) await store.OpenAsync(cancellationToken);
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
