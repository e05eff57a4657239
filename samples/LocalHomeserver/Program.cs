using System.Net.Sockets;
using System.Security.Cryptography;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>
/// A homeserver for trials, and the tutorial of how a homeserver takes in Matrix.ToDevice. What the library asks of a
/// host is marked with its number, 1 to 7: the rest is what every homeserver has anyway.
/// </summary>
public static class Program
{
    /// <summary>Runs the server; a setting or a machine that does not let it run is an error in one line.</summary>
    public static async Task<int> Main(string[] args)
    {
        try
        {
            await RunAsync(args, TellWhereItListens, CancellationToken.None);
            return 0;
        }
        catch (Exception e)
        {
            // A wrong setting, a certificate, an address or a file that cannot be used, no database: what to do about it is in the message.
            await Console.Error.WriteLineAsync(WhyItDoesNotRun(e).ReplaceLineEndings(" "));
            return 1;
        }
    }

    /// <summary>Runs the server until it is told to stop. Its page can ask for a restart: then it runs again, on what it has stored.</summary>
    /// <param name="args">Settings, as on the command line: <c>--ServerName hs1.localhost</c>.</param>
    /// <param name="started">Is called after each start.</param>
    /// <param name="cancellationToken">Stops the server.</param>
    public static async Task RunAsync(string[] args, Action<WebApplication> started, CancellationToken cancellationToken)
    {
        bool again;
        do
        {
            await using var app = Build(args);
            await app.StartAsync(cancellationToken);
            started(app);

            // A port that was free at the first start is this server's from then on.
            if (!Settings.HasEndpoints(app.Configuration)) args = [.. args, "--urls", string.Join(';', app.Urls)];
            await app.WaitForShutdownAsync(cancellationToken);
            again = app.Services.GetRequiredService<Restart>().IsRequested;
        }
        while (again);
    }

    /// <summary>Puts the server together without starting it.</summary>
    /// <param name="args">Settings, as on the command line: <c>--ServerName hs1.localhost</c>.</param>
    /// <param name="clock">The clock, for tests.</param>
    public static WebApplication Build(string[] args, TimeProvider? clock = null)
    {
        var builder = WebApplication.CreateSlimBuilder(args);
        // What HTTPS takes is not in a slim builder. Addresses and certificates are ordinary configuration of Kestrel.
        builder.WebHost.UseKestrelHttpsConfiguration();
        var settings = Settings.Read(builder.Configuration);
        var services = builder.Services;
        services.AddSingleton(settings);
        services.AddSingleton(clock ?? TimeProvider.System);
        services.AddSingleton<UserIds>();
        services.AddSingleton<Passwords>();
        services.AddSingleton<Registrations>();
        services.AddSingleton<DeviceLives>();
        services.AddSingleton<SyncAnswer>();
        services.AddFederation();
        services.AddTrial();
        services.AddHealthChecks().AddSendToDevice();
        services.AddMonitoring(settings, builder.Configuration);
        services.ConfigureHttpJsonOptions(json => MatrixJson.Configure(json.SerializerOptions));

        // 1. Who is asking, and which devices are there? Two small classes answer from the server's own accounts.
        // Its limits and times are settings too: --ToDevice:Quota:MaxMessages 1000, for example (docs/configuration.md).
        var options = builder.Configuration.GetSection("ToDevice");
        var toDevice = services.AddSendToDevice(options)
            .UseAuth<TokenAuthResolver>()
            .UseDirectory<ContactDirectory>()
            .UseDehydratedDevices<DehydratedDevices>()
            .UseIgnoredUsers<IgnoredUsers>();

        // 2. Where do messages live? Here, where the accounts live.
        switch (settings.Store)
        {
            case "memory":
                toDevice.UseInMemory();
                services.AddSingleton<IAccountStore, InMemoryAccountStore>();
                break;
            case "sqlite":
                Directory.CreateDirectory(settings.Data);
                services.Configure<SqliteStoreOptions>(options.GetSection("Sqlite"));
                toDevice.UseSqlite($"Data Source={Path.Combine(settings.Data, "to-device.db")}");
                services.AddSingleton<IAccountStore>(_ => new SqliteAccountStore(Path.Combine(settings.Data, "accounts.db")));
                break;
            case "postgresql":
                // One data source for messages and accounts: it is the application's, and the library finds it.
                services.AddSingleton(_ => settings.DataSource());
                services.Configure<PostgreSqlStoreOptions>(options.GetSection("PostgreSql"));
                toDevice.UsePostgreSql();
                services.AddSingleton<PostgreSqlAccountStore>();
                services.AddSingleton<IAccountStore>(provider => provider.GetRequiredService<PostgreSqlAccountStore>());
                services.AddHostedService(provider => provider.GetRequiredService<PostgreSqlAccountStore>());
                break;
            default:
                throw new SettingsException($"Store is '{settings.Store}'. It can be: memory, sqlite, postgresql.");
        }

        services.AddKeys(settings);

        // 6. Messages for users of other servers: the library says what to send and when, the server sends it and passes on what
        // it gets (SendEndpoint).
        // <federation-services>
        if (settings.Peers.Count > 0) toDevice.UseFederation<FederationTransport>(settings.Configure);
        // </federation-services>

        // 7. Messages for users of appservices: the library keeps them until the server has brought them there.
        // <appservice-services>
        if (settings.Appservices.Count > 0) toDevice.UseAppservices<AppserviceTransport>(settings.Configure);
        // </appservice-services>

        // The request line can hold an access token (R8), and this category logs request lines: not even on demand.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.Warning);

        // Why it does not start, Main says in one line; the host would say it before, with a stack trace.
        var isStarted = false;
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", level => isStarted && level >= LogLevel.Warning);

        var app = builder.Build();
        app.Lifetime.ApplicationStarted.Register(() => isStarted = true);
        app.UseMatrixErrors();
        app.UseExactPaths();
        app.UseTrialPage();
        app.MapHealthChecks("/health");
        if (settings.Metrics) app.MapPrometheusScrapingEndpoint("/metrics");
        app.MapVersions();
        app.MapFederation();
        app.MapKeyFederation();
        app.MapTrial();

        // 3. PUT /_matrix/client/{v3,r0,unstable}/sendToDevice/{eventType}/{txnId}
        app.MapSendToDevice();

        // Newer clients have a sliding sync instead: it is answered in the same way.
        app.MapSlidingSync();
        // GET and POST /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/{device_id}/events
        app.MapDehydratedDeviceEvents();
        app.MapDehydratedDevice();

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
            client.MapAccountData();
            client.MapSync(); // 5. Messages are delivered in the server's own /sync: see SyncAnswer.
            client.MapKeys();
            client.MapServerFacts();
        }

        return app;
    }

    private static string WhyItDoesNotRun(Exception exception) => exception switch
    {
        SettingsException => exception.Message,
        CryptographicException => $"The certificate that Kestrel's settings name for HTTPS cannot be used: {exception.Message}",
        SocketException => $"The server cannot listen where its settings say: {exception.Message}",
        _ => $"The server cannot run: {exception.Message}",
    };

    private static void TellWhereItListens(WebApplication app)
    {
        var name = app.Services.GetRequiredService<Settings>().ServerName;
        Console.WriteLine($"Homeserver {name} listens on {string.Join(", ", app.Urls)}. For trials only: anyone can register.");
    }
}
