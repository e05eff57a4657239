using System.Globalization;
using Matrix.ToDevice.Tests;

namespace Matrix.ToDevice.Bench;

/// <summary>The processor time of a PostgreSQL server: of all of its processes, those that have ended among them.</summary>
internal sealed class DatabaseCpu
{
    /// <summary>Finds a process whose parent is the server's main one.</summary>
    public const string Checkpointer = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'";

    // Linux counts in hundredths of a second.
    private const double TicksPerSecond = 100;

    // In what follows the name of a process in /proc/PID/stat: its parent, its own time in two parts, and that of its children that have ended.
    private const int Parent = 1, User = 11, System = 12, EndedUser = 13, EndedSystem = 14;

    private readonly string _main;

    public DatabaseCpu(PostgreSqlCluster cluster)
        : this((int)cluster.Query(Checkpointer)!)
    {
    }

    /// <param name="checkpointer">What <see cref="Checkpointer"/> finds, on a server on this machine.</param>
    public DatabaseCpu(int checkpointer) => _main = StatOf(checkpointer.ToString(CultureInfo.InvariantCulture))[Parent];

    public TimeSpan Used
    {
        get
        {
            var main = StatOf(_main);
            var ticks = Ticks(main) + long.Parse(main[EndedUser], CultureInfo.InvariantCulture) + long.Parse(main[EndedSystem], CultureInfo.InvariantCulture);
            foreach (var child in File.ReadAllText($"/proc/{_main}/task/{_main}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                try
                {
                    ticks += Ticks(StatOf(child));
                }
                catch (IOException)
                {
                    // It has ended meanwhile: its time is the main process's from now on.
                }
            }

            return TimeSpan.FromSeconds(ticks / TicksPerSecond);
        }
    }

    private static long Ticks(string[] stat) => long.Parse(stat[User], CultureInfo.InvariantCulture) + long.Parse(stat[System], CultureInfo.InvariantCulture);

    private static string[] StatOf(string process)
    {
        var stat = File.ReadAllText($"/proc/{process}/stat");
        return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
    }
}
