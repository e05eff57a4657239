using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace Matrix.ToDevice.Tests;

/// <summary>A PostgreSQL server of its own, in a temporary folder and on a free loopback port, durable as in production.</summary>
internal sealed class PostgreSqlCluster : IDisposable
{
    private readonly string _folder;

    private PostgreSqlCluster(string folder, int port)
    {
        (_folder, Port) = (folder, port);
        ConnectionString = $"Host=127.0.0.1;Port={port};Username=postgres;Database=postgres;Include Error Detail=true";
    }

    public int Port { get; }
    public string ConnectionString { get; }

    private string Data => Path.Combine(_folder, "data");

    /// <summary>The folder of the newest server programs, or null when there are none.</summary>
    public static string? Programs { get; } = FindPrograms();

    public static PostgreSqlCluster Start()
    {
        var folder = Directory.CreateTempSubdirectory("todevice-postgresql-tests-").FullName;
        if (Environment.UserName == "root") Run("chown", ["postgres", folder], folder);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var cluster = new PostgreSqlCluster(folder, ((IPEndPoint)listener.LocalEndpoint).Port);
        listener.Stop();
        cluster.RunServerProgram("initdb", "-D", cluster.Data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync");
        File.WriteAllText(Path.Combine(folder, "settings"), string.Create(CultureInfo.InvariantCulture, $"""
            listen_addresses = '127.0.0.1'
            port = {cluster.Port}
            unix_socket_directories = ''
            max_connections = 300
            shared_buffers = 64MB
            """));
        File.AppendAllText(Path.Combine(cluster.Data, "postgresql.conf"), $"\ninclude '{Path.Combine(folder, "settings")}'\n");
        // One user with a password, for the tests of wrong ones.
        var access = Path.Combine(cluster.Data, "pg_hba.conf");
        File.WriteAllText(access, $"host all careful 127.0.0.1/32 scram-sha-256\n{File.ReadAllText(access)}");
        cluster.StartServer();
        return cluster;
    }

    /// <summary>Starts the server again, after <see cref="StopServer"/>, with its crash recovery done.</summary>
    public void StartServer() => RunServerProgram("pg_ctl", "-D", Data, "-l", Path.Combine(_folder, "log"), "-w", "-t", "60", "start");

    /// <param name="mode"><c>fast</c> ends it in order, <c>immediate</c> as if it had crashed.</param>
    public void StopServer(string mode) => RunServerProgram("pg_ctl", "-D", Data, "-w", "-m", mode, "stop");

    public void Execute(string sql, string database = "postgres")
    {
        using var connection = new NpgsqlConnection($"{ConnectionString};Database={database};Pooling=false");
        connection.Open();
        using var command = new NpgsqlCommand(sql, connection);
        command.ExecuteNonQuery();
    }

    public void Dispose()
    {
        try
        {
            StopServer("immediate");
        }
        catch (InvalidOperationException)
        {
            // A test has stopped it.
        }

        Directory.Delete(_folder, recursive: true);
    }

    private static string? FindPrograms()
    {
        var debian = Directory.Exists("/usr/lib/postgresql")
            ? Directory.GetDirectories("/usr/lib/postgresql").OrderByDescending(folder => int.TryParse(Path.GetFileName(folder), out var version) ? version : 0)
                .Select(folder => Path.Combine(folder, "bin"))
            : [];
        return debian.Concat((Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator))
            .FirstOrDefault(folder => File.Exists(Path.Combine(folder, "initdb")) && File.Exists(Path.Combine(folder, "pg_ctl")));
    }

    // The server refuses to run as root.
    private void RunServerProgram(string program, params string[] arguments)
    {
        program = Path.Combine(Programs!, program);
        if (Environment.UserName == "root")
            Run("setpriv", ["--reuid=postgres", "--regid=postgres", "--init-groups", program, .. arguments], _folder);
        else
            Run(program, arguments, _folder);
    }

    private static void Run(string program, string[] arguments, string folder)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardError = true, RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEndAsync();
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} failed: {errors.Result}{output.Result}");
    }
}
