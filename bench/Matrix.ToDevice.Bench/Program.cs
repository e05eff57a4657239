namespace Matrix.ToDevice.Bench;

/// <summary>
/// What the module costs, beside ceilings that are measured in the same run. See docs/performance.md for the commands.
/// </summary>
internal static class Program
{
    public static async Task<int> Main(string[] args)
    {
        switch (args)
        {
            case ["serve", var kind, var place]:
                await BenchServer.RunAsync(kind, place);
                return 0;
            case ["http", .. var rest]:
                await HttpBench.RunAsync(Rounds(rest), rest is [_, var picture, ..] ? picture : null, rest is [_, _, var before] ? before : null);
                return 0;
            case ["http-one", var name, var kind, .. var rest]:
                await HttpBench.RunOneAsync(name, kind, Rounds(rest), rest is [_, var earlier] ? earlier : null);
                return 0;
            case ["sqlite", .. var rest]:
                await SqliteBench.RunAsync(Rounds(rest), Bodies(rest), Senders(rest));
                return 0;
            case ["slow-disk", .. var rest]:
                await SqliteBench.RunOnSlowDiskAsync(Rounds(rest), Bodies(rest), Senders(rest));
                return 0;
            case ["postgresql", .. var rest]:
                await PostgreSqlBench.RunAsync(Rounds(rest), [.. Bodies(rest)], Senders(rest));
                return 0;
            case ["postgresql-budgets", .. var rest]:
                await PostgreSqlBench.RunAsync(rest is [var few] ? int.Parse(few, null) : 3, Body.All, [1, 64]);
                await SyncBench.RunOnPostgreSqlAsync();
                return 0;
            case ["postgresql-removals", .. var rest]:
                await RemovalBench.RunAsync(Rounds(rest));
                return 0;
            case ["machines", .. var rest]:
                await MachinesBench.RunAsync(Rounds(rest), rest is [_, var plain, ..] ? plain : null, rest is [_, _, var coordinator] ? coordinator : null);
                return 0;
            case ["inbox", .. var rest]:
                await InboxBench.RunAsync(rest is [var messages] ? int.Parse(messages, null) : 1_000_000);
                return 0;
            case ["outbox-drain", .. var rest]:
                await OutboxDrain.RunAsync(rest is [var edus] ? int.Parse(edus, null) : 1_000_000);
                return 0;
            case ["host", var database, var notifications, var name, var senders, var requests, var recipients, var firstSender]:
                await HostProcess.ServeAsync(
                    new PostgreSqlLoad(
                        database, Body.All.Single(body => body.Name == name), int.Parse(senders, null), int.Parse(requests, null),
                        int.Parse(recipients, null), bool.Parse(notifications)),
                    int.Parse(firstSender, null));
                return 0;
            case ["idle", .. var rest]:
                await IdleBench.RunAsync(rest is [var connections] ? int.Parse(connections, null) : 10_000);
                return 0;
            case ["memory"]:
                await MemoryBench.RunAsync();
                return 0;
            case ["memory", var number]:
                await MemoryBench.RunAsync(int.Parse(number, null));
                return 0;
            case ["growth", var store, .. var rest]:
                await GrowthBench.RunAsync(store, rest is [var most] ? int.Parse(most, null) : 1_000_000);
                return 0;
            case ["sync", "sqlite"]:
                await SyncBench.RunOnSqliteAsync();
                return 0;
            case ["sync", "postgresql"]:
                await SyncBench.RunOnPostgreSqlAsync();
                return 0;
            case ["dead-servers", "sqlite", .. var rest]:
                await DeadServersBench.RunOnSqliteAsync(Seconds(rest));
                return 0;
            case ["dead-servers", "postgresql", .. var rest]:
                await DeadServersBench.RunOnPostgreSqlAsync(Seconds(rest));
                return 0;
            default:
                await Console.Error.WriteLineAsync(
                    "usage: http [ROUNDS [PICTURE [EARLIER_CHECKOUT]]] | http-one REQUEST [sample-]STORE [ROUNDS [EARLIER_CHECKOUT]] | sqlite|slow-disk|postgresql [ROUNDS [BODY [SENDERS]]] | postgresql-budgets [ROUNDS] | "
                    + "postgresql-removals [ROUNDS] | machines [ROUNDS [PLAIN_DATABASE [CITUS_COORDINATOR]]] | inbox [MESSAGES] | outbox-drain [EDUS] | memory | idle [CONNECTIONS] | growth memory|sqlite|postgresql [MESSAGES] | sync sqlite|postgresql | dead-servers sqlite|postgresql [SECONDS]");
                return 2;
        }
    }

    private static int Rounds(string[] rest) => rest is [var rounds, ..] ? int.Parse(rounds, null) : 5;

    private static int Seconds(string[] rest) => rest is [var seconds] ? int.Parse(seconds, null) : 30;

    private static int[] Senders(string[] rest) => rest is [_, _, var senders] ? [int.Parse(senders, null)] : [1, 16, 64, 256];

    private static IEnumerable<Body> Bodies(string[] rest) => Body.All.Where(body => rest is not [_, var name, ..] || body.Name == name);
}
