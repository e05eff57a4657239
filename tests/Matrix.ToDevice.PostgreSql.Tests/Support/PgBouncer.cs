using System.Diagnostics;
using System.Globalization;

namespace Matrix.ToDevice.Tests;

/// <summary>A real pooler in front of a server.</summary>
internal sealed class PgBouncer : IDisposable
{
    private const string Program = "/usr/sbin/pgbouncer";

    private readonly string _folder = PostgreSqlCluster.CreateFolder();
    private Process _process;

    /// <param name="serverPort">Where the server listens.</param>
    /// <param name="connections">How many connections to each database there are, for however many clients.</param>
    /// <param name="mode">For how long a client has one: a <c>transaction</c> or a <c>session</c>.</param>
    public PgBouncer(int serverPort, int connections, string mode = "transaction")
    {
        if (!File.Exists(Program)) RequiredPostgreSql.Miss("There is no pgbouncer on this machine (Debian: the package pgbouncer).");
        File.WriteAllText(Path.Combine(_folder, "pgbouncer.ini"), string.Create(CultureInfo.InvariantCulture, $"""
            [databases]
            * = host=127.0.0.1 port={serverPort} user=postgres
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {Port}
            unix_socket_dir =
            auth_type = any
            pool_mode = {mode}
            default_pool_size = {connections}
            max_client_conn = 500
            """));
        _process = Start();
    }

    public int Port { get; } = LoopbackPort.Unused();

    /// <summary>Kills it, with all connections on both sides, and starts it again.</summary>
    public void Restart()
    {
        Stop();
        _process = Start();
    }

    public void Dispose()
    {
        Stop();
        Directory.Delete(_folder, recursive: true);
    }

    private void Stop()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    private Process Start()
    {
        var start = PostgreSqlCluster.ServerProgram(Program, Path.Combine(_folder, "pgbouncer.ini"));
        start.RedirectStandardError = true;
        var process = Process.Start(start)!;
        var said = new List<string>();
        while (process.StandardError.ReadLine() is { } line)
        {
            said.Add(line);
            if (!line.Contains("process up", StringComparison.Ordinal)) continue;
            // Whatever else it says must not fill its pipe.
            _ = process.StandardError.BaseStream.CopyToAsync(Stream.Null);
            return process;
        }

        throw new InvalidOperationException($"pgbouncer did not start: {string.Join(' ', said)}");
    }
}
