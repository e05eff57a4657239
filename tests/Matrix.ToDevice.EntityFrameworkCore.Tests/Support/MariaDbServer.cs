using System.Diagnostics;
using System.Globalization;
using MySql.Data.MySqlClient;

namespace Matrix.ToDevice.Tests;

/// <summary>A MariaDB server of its own, in a temporary folder and on a free loopback port, as durable as it comes.</summary>
internal sealed class MariaDbServer : IDisposable
{
    private readonly string _folder;
    private readonly Process _server;

    private MariaDbServer(string folder, int port, Process server)
    {
        (_folder, _server) = (folder, server);
        ConnectionString = string.Create(CultureInfo.InvariantCulture, $"Server=127.0.0.1;Port={port};User ID=tests;Password=tests;SSL Mode=Disabled");
    }

    public string ConnectionString { get; }

    /// <summary>The server's program and the one that makes its files, or null when there are none.</summary>
    public static (string Server, string Install)? Programs { get; } =
        Find("mariadbd") is { } server && Find("mariadb-install-db") is { } install ? (server, install) : null;

    public static MariaDbServer Start()
    {
        var folder = Directory.CreateTempSubdirectory("todevice-mariadb-tests-").FullName;
        var (data, port) = (Path.Combine(folder, "data"), LoopbackPort.Unused());
        var users = Path.Combine(folder, "users.sql");
        File.WriteAllText(users, "CREATE USER 'tests'@'%' IDENTIFIED BY 'tests';\nGRANT ALL ON *.* TO 'tests'@'%';\n");
        // It refuses to run as root, so it is nobody who runs it.
        string[] user = Environment.UserName == "root" ? ["--user=nobody"] : [];
        if (user.Length > 0) Run("chown", "-R", "nobody", folder);
        Run(Programs!.Value.Install, ["--no-defaults", $"--datadir={data}", "--skip-test-db", .. user]);
        var server = Process.Start(new ProcessStartInfo(
            Programs.Value.Server,
            [
                "--no-defaults", $"--datadir={data}", $"--socket={Path.Combine(folder, "socket")}", $"--pid-file={Path.Combine(folder, "pid")}",
                string.Create(CultureInfo.InvariantCulture, $"--port={port}"), "--bind-address=127.0.0.1", "--skip-name-resolve",
                "--max-connections=1000", $"--init-file={users}", $"--log-error={Path.Combine(folder, "log")}", .. user,
            ]))!;
        var started = new MariaDbServer(folder, port, server);
        started.Wait();
        return started;
    }

    public void Dispose()
    {
        _server.Kill();
        _server.WaitForExit(TimeLimit.OfOneWait);
        _server.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private void Wait()
    {
        var started = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                using var connection = new MySqlConnection($"{ConnectionString};Pooling=false");
                connection.Open();
                return;
            }
            catch (MySqlException) when (!_server.HasExited && TimeProvider.System.GetElapsedTime(started) < TimeLimit.OfOneWait)
            {
                // It is starting.
                _server.WaitForExit(TimeSpan.FromMilliseconds(50));
            }
        }
    }

    private static string? Find(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Concat(["/usr/sbin", "/usr/local/sbin", "/usr/libexec"]).Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    private static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEndAsync();
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{program} failed: {errors.Result}{output.Result}");
    }
}
