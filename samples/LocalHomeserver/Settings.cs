using System.Globalization;
using Microsoft.Extensions.Configuration.Memory;

namespace LocalHomeserver;

/// <summary>
/// What can be set, from the command line (<c>--ServerName hs1.localhost</c>), the environment, or an appsettings.json
/// in the current directory.
/// </summary>
/// <param name="ServerName">What follows the colon of this server's user IDs.</param>
/// <param name="Store">Where accounts and messages live: <c>memory</c> or <c>sqlite</c>.</param>
/// <param name="Data">The folder of the SQLite files; it is made when it does not exist.</param>
/// <param name="PasswordIterations">How much work it is to try a password. Few iterations are for tests with many users.</param>
/// <param name="AccessTokenLifetime">How long an access token lasts that comes with a refresh token; others do not expire.</param>
/// <param name="Peers">The servers that this one talks to, and where they listen.</param>
internal sealed record Settings(
    string ServerName,
    string Store,
    string Data,
    int PasswordIterations,
    TimeSpan AccessTokenLifetime,
    IReadOnlyDictionary<string, Uri> Peers)
{
    private static readonly Dictionary<string, string?> s_defaults = new()
    {
        // Loopback: whoever can reach the server can register.
        ["Urls"] = "http://localhost:8008",
        ["ServerName"] = "localhost",
        ["Store"] = "sqlite",
        ["Data"] = "data",
        // As in ASP.NET Core Identity.
        ["PasswordIterations"] = "100000",
        ["AccessTokenLifetime"] = "01:00:00",
        ["Logging:LogLevel:Microsoft"] = "Warning",
    };

    public static Settings Read(ConfigurationManager configuration)
    {
        // First in the list, so that every other source overrides them.
        configuration.Sources.Insert(0, new MemoryConfigurationSource { InitialData = s_defaults });

        var serverName = configuration["ServerName"]!;
        if (!IsServerName(serverName))
            throw new SettingsException($"ServerName is '{serverName}'. It must be a host name, with or without a port.");

        var iterations = configuration["PasswordIterations"];
        if (!int.TryParse(iterations, NumberStyles.None, CultureInfo.InvariantCulture, out var passwordIterations)
            || passwordIterations < 1)
        {
            throw new SettingsException($"PasswordIterations is '{iterations}'. It must be a number such as 100000.");
        }

        var lifetime = configuration["AccessTokenLifetime"];
        if (!TimeSpan.TryParse(lifetime, CultureInfo.InvariantCulture, out var accessTokenLifetime)
            || accessTokenLifetime <= TimeSpan.Zero)
        {
            throw new SettingsException($"AccessTokenLifetime is '{lifetime}'. It must be a time such as 00:05:00.");
        }

        return new Settings(
            serverName,
            configuration["Store"]!,
            configuration["Data"]!,
            passwordIterations,
            accessTokenLifetime,
            LocalHomeserver.Peers.Read(configuration, serverName));
    }

    public static bool IsServerName(string name) =>
        name.Length is > 0 and <= 200 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or ':' or '[' or ']');
}

/// <summary>A setting is wrong; the message says which, and what it can be.</summary>
internal sealed class SettingsException(string message) : Exception(message);
