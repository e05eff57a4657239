using System.Globalization;
using Matrix.ToDevice;
using Microsoft.Extensions.Configuration.Memory;
using Npgsql;

namespace LocalHomeserver;

/// <summary>
/// What can be set, from the command line (<c>--ServerName hs1.localhost</c>), the environment, or an appsettings.json
/// in the current directory.
/// </summary>
/// <param name="ServerName">What follows the colon of this server's user IDs.</param>
/// <param name="Store">Where accounts and messages live: <c>memory</c>, <c>sqlite</c> or <c>postgresql</c>.</param>
/// <param name="Data">The folder of the SQLite files; it is made when it does not exist.</param>
/// <param name="PostgreSql">
/// The connection string of the PostgreSQL database (<c>--ConnectionStrings:PostgreSql "Host=…"</c>). Hosts with the same one
/// are one server. With several servers in <c>Host</c>, the one that takes writes is used.
/// </param>
/// <param name="PasswordIterations">How much work it is to try a password. Few iterations are for tests with many users.</param>
/// <param name="AccessTokenLifetime">How long an access token lasts that comes with a refresh token; others do not expire.</param>
/// <param name="Peers">The servers that this one talks to, and where they listen.</param>
/// <param name="Appservices">The appservices, each by its registration file: <c>--Appservices:0 irc.yaml</c>.</param>
/// <param name="MaxPause">
/// The longest pause after a peer or an appservice has failed (<c>--Federation:MaxPause</c>), so about how late its messages come when it is back.
/// </param>
/// <param name="LeaseDuration">
/// How long a peer or an appservice stays with the host that sends to it (<c>--Federation:LeaseDuration</c>): another host takes over so
/// long after that one has died.
/// </param>
/// <param name="Metrics">Whether <c>GET /metrics</c> shows what the library measures, for Prometheus.</param>
/// <param name="Otlp">
/// Where metrics and traces are sent to (<c>--Otlp:Endpoint http://localhost:4317</c>, or OpenTelemetry's own setting
/// <c>OTEL_EXPORTER_OTLP_ENDPOINT</c>); null for nowhere.
/// </param>
internal sealed record Settings(
    string ServerName,
    string Store,
    string Data,
    string? PostgreSql,
    int PasswordIterations,
    TimeSpan AccessTokenLifetime,
    IReadOnlyDictionary<string, Uri> Peers,
    IReadOnlyList<Registration> Appservices,
    TimeSpan MaxPause,
    TimeSpan LeaseDuration,
    bool Metrics,
    string? Otlp)
{
    private const string Urls = "Urls";

    private static readonly Dictionary<string, string?> s_defaults = new()
    {
        // Loopback: whoever can reach the server can register.
        [Urls] = "http://localhost:8008",
        ["ServerName"] = "localhost",
        ["Store"] = "sqlite",
        ["Data"] = "data",
        // As in ASP.NET Core Identity.
        ["PasswordIterations"] = "100000",
        ["AccessTokenLifetime"] = "01:00:00",
        // As in the library.
        ["Federation:MaxPause"] = "00:05:00",
        ["Federation:LeaseDuration"] = "00:00:10",
        ["Metrics"] = "true",
        ["Logging:LogLevel:Microsoft"] = "Warning",
    };

    public static Settings Read(ConfigurationManager configuration)
    {
        // First in the list, so that every other source overrides them. Addresses can be set in either of two ways, which Kestrel has.
        var defaults = HasEndpoints(configuration) ? s_defaults.Where(setting => setting.Key != Urls) : s_defaults;
        configuration.Sources.Insert(0, new MemoryConfigurationSource { InitialData = defaults });
        CheckAddresses(configuration);

        var serverName = configuration["ServerName"]!;
        if (!IsServerName(serverName))
            throw new SettingsException($"ServerName is '{serverName}'. It must be a host name, with or without a port.");

        if (string.IsNullOrWhiteSpace(configuration["Data"])) throw new SettingsException("Data is ''. It must be a folder.");

        var iterations = configuration["PasswordIterations"];
        if (!int.TryParse(iterations, NumberStyles.None, CultureInfo.InvariantCulture, out var passwordIterations)
            || passwordIterations < 1)
        {
            throw new SettingsException($"PasswordIterations is '{iterations}'. It must be a number such as 100000.");
        }

        return new Settings(
            serverName,
            configuration["Store"]!,
            configuration["Data"]!,
            configuration.GetConnectionString("PostgreSql"),
            passwordIterations,
            Time("AccessTokenLifetime"),
            LocalHomeserver.Peers.Read(configuration, serverName),
            RegistrationFile.ReadAll(configuration, serverName),
            Time("Federation:MaxPause"),
            Time("Federation:LeaseDuration"),
            bool.TryParse(configuration["Metrics"], out var metrics)
                ? metrics
                : throw new SettingsException($"Metrics is '{configuration["Metrics"]}'. It must be true or false."),
            OtlpEndpoint());

        string? OtlpEndpoint()
        {
            var (setting, endpoint) = configuration["Otlp:Endpoint"] is { Length: > 0 } own
                ? ("Otlp:Endpoint", own) : (Monitoring.OtlpEndpoint, configuration[Monitoring.OtlpEndpoint]);
            if (string.IsNullOrEmpty(endpoint)) return null;
            return Uri.TryCreate(endpoint, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
                ? endpoint
                : throw new SettingsException($"{setting} is '{endpoint}'. It must be an address such as http://localhost:4317.");
        }

        TimeSpan Time(string setting) =>
            TimeSpan.TryParse(configuration[setting], CultureInfo.InvariantCulture, out var time) && time > TimeSpan.Zero
                ? time
                : throw new SettingsException($"{setting} is '{configuration[setting]}'. It must be a time such as 00:05:00.");
    }

    /// <summary>Whether addresses are set as Kestrel's endpoints, and not as <c>Urls</c>.</summary>
    public static bool HasEndpoints(IConfiguration configuration) => configuration.GetSection("Kestrel:Endpoints").GetChildren().Any();

    /// <summary>What is set of the sending to peers.</summary>
    public void Configure(FederationSenderOptions options)
    {
        options.MaxPause = MaxPause;
        // A pause that is over is noticed at the next look.
        if (options.MinPause > MaxPause) options.MinPause = MaxPause;
        if (options.PollInterval > MaxPause) options.PollInterval = MaxPause;
        options.LeaseDuration = LeaseDuration;
    }

    /// <summary>The appservices, and what is set of the sending to them.</summary>
    public void Configure(AppserviceOptions options)
    {
        foreach (var registration in Appservices) options.Appservices.Add(registration.Appservice);
        if (options.MaxPause > MaxPause) options.MaxPause = MaxPause;
        if (options.MinPause > MaxPause) options.MinPause = MaxPause;
        if (options.PollInterval > MaxPause) options.PollInterval = MaxPause;
        options.LeaseDuration = LeaseDuration;
    }

    /// <summary>Connections to the database, always to the server that takes writes.</summary>
    public NpgsqlDataSource DataSource()
    {
        if (string.IsNullOrWhiteSpace(PostgreSql))
            throw new SettingsException("ConnectionStrings:PostgreSql is missing. It can be: Host=localhost;Database=matrix;Username=matrix;Password=…");

        try
        {
            // Which of several servers it has to be is not for the text to say, but for the data source. And nothing is left behind
            // in a session that would have to be cleared.
            var text = new NpgsqlConnectionStringBuilder(PostgreSql) { TargetSessionAttributes = null, NoResetOnClose = true };
            // The server plans each statement once for each connection, unless the text says something else: a pooler may mix them up.
            if (!text.ShouldSerialize("Max Auto Prepare")) text.MaxAutoPrepare = 100;
            var dataSource = NpgsqlDataSource.Create(text);
            return dataSource is NpgsqlMultiHostDataSource several ? several.WithTargetSession(TargetSessionAttributes.Primary) : dataSource;
        }
        catch (Exception e) when (e is ArgumentException or FormatException or InvalidOperationException)
        {
            throw new SettingsException($"ConnectionStrings:PostgreSql cannot be used: {e.Message}");
        }
    }

    // What is no address, Kestrel takes for a name, and then listens on every address of the machine.
    private static void CheckAddresses(ConfigurationManager configuration)
    {
        if (!HasEndpoints(configuration))
        {
            foreach (var url in configuration[Urls]!.Split(';')) CheckAddress(Urls, url.Trim());
        }

        foreach (var endpoint in configuration.GetSection("Kestrel:Endpoints").GetChildren())
            CheckAddress($"{endpoint.Path}:Url", endpoint["Url"] ?? "");
    }

    private static void CheckAddress(string setting, string url)
    {
        if (url.StartsWith("http://unix:/", StringComparison.Ordinal)) return;

        // The whole machine's addresses are written as a star or a plus.
        var address = url.Replace("://*", "://0.0.0.0", StringComparison.Ordinal).Replace("://+", "://0.0.0.0", StringComparison.Ordinal);
        if (!Uri.TryCreate(address, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https") || uri.PathAndQuery != "/"
            || (uri.HostNameType == UriHostNameType.Dns && !uri.Host.Any(char.IsAsciiLetter)))
        {
            throw new SettingsException($"{setting} is '{url}'. It must be an address such as http://localhost:8008 or https://127.0.0.1:8448.");
        }
    }

    public static bool IsServerName(string name) =>
        name.Length is > 0 and <= 200 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or ':' or '[' or ']');
}

/// <summary>A setting is wrong; the message says which, and what it can be.</summary>
internal sealed class SettingsException(string message) : Exception(message)
{
    /// <summary>A file in the folder <c>Data</c> cannot be used.</summary>
    public static SettingsException Of(string path, Exception reason) =>
        new($"{path} cannot be used: {reason.Message} Name another folder with Data, or see to this one.");
}
