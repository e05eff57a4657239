namespace Matrix.ToDevice.Tests;

/// <summary>What docs/operations.md says of backups, done as it says: a copy is made under load, and put back later.</summary>
[Category("Slow")]
public class BackupTests
{
    private const int Senders = 4, Receivers = 3, Enough = 200;

    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(10);

    private PostgreSqlCluster? _cluster;

    [OneTimeTearDown]
    public void StopDatabase() => _cluster?.Dispose();

    [Test]
    public Task D11_a_copy_of_a_SQLite_file_that_is_put_back_has_all_that_was_accepted_before_it_and_loses_nothing_that_comes_after() =>
        RunAsync(new SqliteBackupTarget());

    [Test]
    public Task D11_a_dump_of_a_PostgreSQL_that_is_put_back_has_all_that_was_accepted_before_it_and_loses_nothing_that_comes_after() =>
        RunAsync(new PostgreSqlBackupTarget(Cluster()));

    private PostgreSqlCluster Cluster()
    {
        RequiredPostgreSql.Programs();
        return _cluster ??= PostgreSqlCluster.Start();
    }

    private static async Task RunAsync(IBackupTarget target)
    {
        await using var _ = target;
        await target.StartAsync();
        var seed = Random.Shared.Next();
        var history = new History();
        var receivers = await CrashRun.RegisterAsync(() => target.Address, Receivers, _ => "receiver", i => $"R{i}");
        var before = await ClientsAsync(firstSender: 0);
        var after = await ClientsAsync(firstSender: Senders);

        using var stopReceiving = new CancellationTokenSource();
        var receiving = before.ReceiveAsync(stopReceiving.Token);
        using var stopSending = new CancellationTokenSource();
        var sending = before.SendAsync(int.MaxValue, stopSending.Token);
        await UntilAsync(Enough);
        var accepted = history.Accepted();
        await target.BackUpAsync();
        await UntilAsync(history.ReceivedCount + Enough);
        await stopSending.CancelAsync();
        await sending;

        await target.RestoreAsync();
        await after.SendAsync(Enough / Senders, CancellationToken.None);
        await stopReceiving.CancelAsync();
        await receiving;

        Assert.Multiple(() =>
        {
            Assert.That(accepted, Is.Not.Empty);
            var times = history.Received.ToDictionary(
                device => device.Key, device => device.Value.GroupBy(message => message).ToDictionary(same => same.Key, same => same.Count()));
            var lost = accepted.Sum(send => send.DeviceIds.Count(id => !times[id].ContainsKey(new History.Message(send.Sender, send.Number))));
            Assert.That(lost, Is.Zero, $"seed {seed}: messages that were accepted before the copy was made and never came");
            Assert.That(
                times.Values.SelectMany(device => device.Values).Max(), Is.LessThanOrEqualTo(2), $"seed {seed}: once again at the most, for what was acknowledged after the copy");
            Assert.That(
                Checker.Check(history, sender => sender >= Senders), Is.EqualTo(new Checker(0, 0, 0, 0)), $"seed {seed}: what was sent when the copy was back");
        });

        async Task<LoadClients> ClientsAsync(int firstSender) => new(
            () => target.Address, () => target.Address, history,
            await CrashRun.RegisterAsync(() => target.Address, Senders, i => $"sender{firstSender + i}", _ => "S"), receivers, seed)
        {
            FirstSender = firstSender,
        };

        async Task UntilAsync(int received)
        {
            using var limit = new CancellationTokenSource(TimeLimit.OfOneWait);
            while (history.ReceivedCount < received)
            {
                Assert.That(limit.IsCancellationRequested || receiving.IsFaulted, Is.False, $"{history.ReceivedCount} of {received} messages arrive.");
                await Task.Delay(s_look);
            }
        }
    }
}
