using Matrix.ToDevice;
using Npgsql;

namespace LocalHomeserver;

/// <summary>
/// A homeserver for trials, and the tutorial of how a homeserver takes in Matrix.ToDevice. What the library asks of a
/// host is marked with its number, 1 to 5: the rest is what every homeserver has anyway.
/// </summary>
public static class Program
{
    /// <summary>Runs the server until it is told to stop.</summary>
    public static async Task<int> Main(string[] args)
    {
        try
        {
            await using var app = Build(args);
            await app.StartAsync();
            var settings = app.Services.GetRequiredService<Settings>();
            Console.WriteLine(
                $"Homeserver {settings.ServerName} listens on {string.Join(", ", app.Urls)}. For trials only: anyone can register.");
            await app.WaitForShutdownAsync();
            return 0;
        }
        catch (Exception e) when (e is SettingsException or SqliteStoreException or PostgreSqlStoreException
            or NpgsqlException or IOException or UnauthorizedAccessException)
        {
            // A wrong setting, an address or a file that is in use, no database: what to do about it is in the message.
            await Console.Error.WriteLineAsync(e.Message.ReplaceLineEndings(" "));
            return 1;
        }
    }

    /// <summary>Puts the server together without starting it.</summary>
    /// <param name="args">Settings, as on the command line: <c>--ServerName hs1.localhost</c>.</param>
    /// <param name="clock">The clock, for tests.</param>
    public static WebApplication Build(string[] args, TimeProvider? clock = null)
    {
        var builder = WebApplication.CreateSlimBuilder(args);
        var settings = Settings.Read(builder.Configuration);
        var services = builder.Services;
        services.AddSingleton(settings);
        services.AddSingleton(clock ?? TimeProvider.System);
        services.AddSingleton<UserIds>();
        services.AddSingleton<Passwords>();
        services.AddSingleton<DeviceLives>();
        services.AddFederation();
        var health = services.AddHealthChecks();
        services.ConfigureHttpJsonOptions(json => MatrixJson.Configure(json.SerializerOptions));

        // 1. Who is asking, and which devices are there? Two small classes answer from the server's own accounts.
        var toDevice = services.AddSendToDevice()
            .UseAuth<TokenAuthResolver>()
            .UseDirectory<ContactDirectory>();

        // 2. Where do messages live? Here, where the accounts live.
        switch (settings.Store)
        {
            case "memory":
                toDevice.UseInMemory();
                services.AddSingleton<IAccountStore, InMemoryAccountStore>();
                break;
            case "sqlite":
                Directory.CreateDirectory(settings.Data);
                toDevice.UseSqlite($"Data Source={Path.Combine(settings.Data, "to-device.db")}");
                services.AddSingleton<IAccountStore>(_ => new SqliteAccountStore(Path.Combine(settings.Data, "accounts.db")));
                break;
            case "postgresql":
                // One data source for messages and accounts: it is the application's, and the library finds it.
                services.AddSingleton(_ => settings.DataSource());
                toDevice.UsePostgreSql();
                health.AddPostgreSqlToDevice();
                services.AddSingleton<PostgreSqlAccountStore>();
                services.AddSingleton<IAccountStore>(provider => provider.GetRequiredService<PostgreSqlAccountStore>());
                services.AddHostedService(provider => provider.GetRequiredService<PostgreSqlAccountStore>());
                break;
            default:
                throw new SettingsException($"Store is '{settings.Store}'. It can be: memory, sqlite, postgresql.");
        }

        services.AddKeys(settings);

        // The request line can hold an access token (R8), and this category logs request lines: not even on demand.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.Warning);

        var app = builder.Build();
        app.UseMatrixErrors();
        app.UseExactPaths();
        app.MapHealthChecks("/health");
        app.MapVersions();
        app.MapFederation();
        app.MapKeyFederation();

        // 3. PUT /_matrix/client/{v3,r0,unstable}/sendToDevice/{eventType}/{txnId}
        app.MapSendToDevice();

        // Older clients use r0 paths, newer ones v3.
        foreach (var version in (ReadOnlySpan<string>)["v3", "r0"])
        {
            var client = app.MapGroup($"/_matrix/client/{version}");
            client.MapRegister();
            client.MapLogin();
            client.MapRefresh();
            client.MapLogout(); // 4. A device that ends takes its messages with it: see DeviceLives.
            client.MapDevices();
            client.MapFilters();
            client.MapSync(); // 5. Messages are delivered in the server's own /sync: see SyncEndpoint.
            client.MapKeys();
            client.MapServerFacts();
        }

        return app;
    }
}
