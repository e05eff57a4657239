using System.Diagnostics;
using System.Globalization;
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
    private string Settings => Path.Combine(_folder, "settings");

    /// <summary>The folder of the newest server programs, or null when there are none.</summary>
    public static string? Programs { get; } = FindPrograms();

    public static PostgreSqlCluster Start()
    {
        var cluster = Create();
        cluster.RunServerProgram("initdb", "-D", cluster.Data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync");
        File.AppendAllText(Path.Combine(cluster.Data, "postgresql.conf"), $"\ninclude '{cluster.Settings}'\n");
        // One user with a password, for the tests of wrong ones.
        var access = Path.Combine(cluster.Data, "pg_hba.conf");
        File.WriteAllText(access, $"host all careful 127.0.0.1/32 scram-sha-256\n{File.ReadAllText(access)}");
        cluster.StartServer();
        return cluster;
    }

    /// <summary>Starts a standby of this server. From here on, a commit waits until it is on both.</summary>
    public PostgreSqlCluster StartSynchronousStandby()
    {
        var standby = StartStandby();
        Execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'");
        Execute("SELECT pg_reload_conf()");
        return standby;
    }

    /// <summary>Starts a standby of this server, for which no commit waits.</summary>
    public PostgreSqlCluster StartStandby()
    {
        var standby = Create();
        standby.RunServerProgram(
            "pg_basebackup", "-D", standby.Data, "-d", $"host=127.0.0.1 port={Port} user=postgres application_name=standby",
            "--write-recovery-conf", "--checkpoint=fast", "--no-sync");
        var configuration = Path.Combine(standby.Data, "postgresql.conf");
        File.WriteAllText(configuration, File.ReadAllText(configuration).Replace(Settings, standby.Settings, StringComparison.Ordinal));
        standby.StartServer();
        return standby;
    }

    /// <summary>Cuts a standby off from its primary: it gets nothing more from there.</summary>
    public void CutOff()
    {
        Execute("ALTER SYSTEM SET primary_conninfo = ''");
        Execute("SELECT pg_reload_conf()");
    }

    /// <summary>Makes a standby the primary.</summary>
    public void Promote() => RunServerProgram("pg_ctl", "-D", Data, "-w", "promote");

    /// <summary>As if its machine had gone: SIGKILL to all of its processes, none of which outlives another.</summary>
    public void KillServer()
    {
        var main = File.ReadLines(Path.Combine(Data, "postmaster.pid")).First();
        Run(new ProcessStartInfo("kill", ["-STOP", main]));
        var others = File.ReadAllText($"/proc/{main}/task/{main}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Run(new ProcessStartInfo("kill", ["-STOP", .. others]));
        Run(new ProcessStartInfo("kill", ["-KILL", main, .. others]));
        File.Delete(Path.Combine(Data, "postmaster.pid"));
    }

    /// <summary>Starts the server again, after <see cref="StopServer"/>, with its crash recovery done.</summary>
    public void StartServer() => RunServerProgram("pg_ctl", "-D", Data, "-l", Path.Combine(_folder, "log"), "-w", "-t", "60", "start");

    /// <param name="mode"><c>fast</c> ends it in order, <c>immediate</c> as if it had crashed.</param>
    public void StopServer(string mode) => RunServerProgram("pg_ctl", "-D", Data, "-w", "-m", mode, "stop");

    public void Execute(string sql, string database = "postgres") => Query(sql, database);

    public object? Query(string sql, string database = "postgres")
    {
        using var connection = new NpgsqlConnection($"{ConnectionString};Database={database};Pooling=false");
        connection.Open();
        using var command = new NpgsqlCommand(sql, connection);
        return command.ExecuteScalar();
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

    /// <summary>A folder and a port for a server.</summary>
    private static PostgreSqlCluster Create()
    {
        var cluster = new PostgreSqlCluster(CreateFolder(), LoopbackPort.Unused());
        File.WriteAllText(cluster.Settings, string.Create(CultureInfo.InvariantCulture, $"""
            listen_addresses = '127.0.0.1'
            port = {cluster.Port}
            unix_socket_directories = ''
            max_connections = 300
            shared_buffers = 64MB
            """));
        return cluster;
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

    /// <summary>A new folder for a server. Servers refuse to run as root, so it is the user's who runs them.</summary>
    public static string CreateFolder()
    {
        var folder = Directory.CreateTempSubdirectory("todevice-postgresql-tests-").FullName;
        if (Environment.UserName == "root") Run(new ProcessStartInfo("chown", ["postgres", folder]));
        return folder;
    }

    /// <summary>How to start a server's program.</summary>
    public static ProcessStartInfo ServerProgram(string program, params string[] arguments) => Environment.UserName == "root"
        ? new ProcessStartInfo("setpriv", ["--reuid=postgres", "--regid=postgres", "--init-groups", program, .. arguments])
        : new ProcessStartInfo(program, arguments);

    private void RunServerProgram(string program, params string[] arguments)
    {
        var start = ServerProgram(Path.Combine(Programs!, program), arguments);
        start.WorkingDirectory = _folder;
        Run(start);
    }

    private static void Run(ProcessStartInfo start)
    {
        start.RedirectStandardError = start.RedirectStandardOutput = true;
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromMinutes(2)))
        {
            process.Kill(entireProcessTree: true);
            throw new InvalidOperationException($"{start.FileName} {string.Join(' ', start.ArgumentList)} did not end.");
        }

        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{start.FileName} {string.Join(' ', start.ArgumentList)} failed: {errors.Result}{output.Result}");
    }
}
