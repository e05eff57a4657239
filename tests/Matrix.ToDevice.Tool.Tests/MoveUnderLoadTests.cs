namespace Matrix.ToDevice.Tests;

/// <summary>How a server outgrows its database, and back: while clients send, retry and sync.</summary>
[Category("Slow")]
internal sealed class MoveUnderLoadTests
{
    private const int Senders = 8, Receivers = 4, Enough = 400;

    private static IEnumerable<string> Between => TestStore.Kinds.Where(kind => kind != TestStore.Sqlite);

    /// <summary>To PostgreSQL, and to many machines from there, or from where the server began; and back.</summary>
    [Test]
    public async Task D4_D11_D12_clients_lose_nothing_and_get_nothing_twice_when_the_store_moves_under_them([ValueSource(nameof(Between))] string between)
    {
        var began = between == TestStore.PostgreSql ? TestStore.Sqlite : TestStore.PostgreSql;
        var seed = Random.Shared.Next();
        var address = new Uri($"http://127.0.0.1:{LoopbackPort.Unused()}/");
        var history = new History();
        Account[] receivers = [.. Enumerable.Range(0, Receivers).Select(i => LoadHost.AccountOf(LoadHost.Receiver, $"R{i}"))];
        Account[] senders = [.. Enumerable.Range(0, Senders).Select(i => LoadHost.AccountOf($"@sender{i}:here", "S"))];
        var clients = new LoadClients(() => address, () => address, history, senders, receivers, seed);
        using var stopSending = new CancellationTokenSource();
        using var stopReceiving = new CancellationTokenSource();
        using var before = new TestStore(began);
        using var larger = new TestStore(between);
        using var again = new TestStore(TestStore.Sqlite);
        var export = Path.Combine(again.Folder, "it.export");

        Task sending, receiving;
        await using (await LoadHost.StartAsync(before, address, Receivers))
        {
            sending = clients.SendAsync(int.MaxValue, stopSending.Token);
            receiving = clients.ReceiveAsync(stopReceiving.Token);
            await UntilEnoughArrivesAsync();
        }

        var first = await ToolRun.FineAsync("copy", "--from", before.Address, "--to", larger.Address);
        await using (await LoadHost.StartAsync(larger, address, Receivers)) await UntilEnoughArrivesAsync();

        await ToolRun.FineAsync("export", larger.Address, export);
        var second = await ToolRun.FineAsync("import", again.Address, export);
        await using (await LoadHost.StartAsync(again, address, Receivers))
        {
            await UntilEnoughArrivesAsync();
            await stopSending.CancelAsync();
            await sending;
            await stopReceiving.CancelAsync();
            await receiving;
        }

        var result = Checker.Check(history);
        await TestContext.Out.WriteLineAsync(
            $"seed {seed}: {history.Sends.Count} sends, {history.Retries} retries, {history.ReceivedCount} messages delivered: {result}\n{first.Output}{second.Output}");
        Assert.That(result.IsClean, $"seed {seed}: {result}");
        Assert.That(history.Retries, Is.Positive, "clients met hosts that were gone");
        foreach (var store in new[] { before, larger, again }) await ToolRun.FineAsync("verify", store.Address);

        async Task UntilEnoughArrivesAsync()
        {
            for (var goal = history.ReceivedCount + Enough; history.ReceivedCount < goal;)
            {
                Assert.That(receiving.IsFaulted || sending.IsFaulted, Is.False, $"{receiving.Exception}{sending.Exception}");
                await TimeLimit.OneMoreTurnAsync();
                await Task.WhenAny(sending, receiving, Task.Delay(20));
            }
        }
    }
}
