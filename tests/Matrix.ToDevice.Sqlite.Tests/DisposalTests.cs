namespace Matrix.ToDevice.Tests;

/// <summary>The host ends while requests are on their way: each gets an answer or an error, none waits for ever.</summary>
public class DisposalTests
{
    [Test]
    public async Task Sends_that_wait_when_the_store_is_closed_are_committed()
    {
        using var disk = new FaultyDisk();
        using var release = new ManualResetEventSlim();
        var path = TestFolder.NewFile();
        var store = disk.Open(path);
        await store.SendAsync("t0", "0", "B1");
        // The writer stands before its sync; behind it wait more sends than its queue has places.
        var entered = new TaskCompletionSource();
        var held = disk.BeforeSyncAsync(() =>
        {
            entered.SetResult();
            release.Wait();
            return true;
        });
        List<Task<CommitResult>> sends = [store.SendAsync("t1", "1", "B1")];
        await entered.Task;
        sends.AddRange(Enumerable.Range(2, 5000).Select(n => store.SendAsync($"t{n}", $"{n}", "B1")));
        var closing = Task.Run(() => store.DisposeAsync().AsTask());
        release.Set();
        await held;
        await closing;
        var answers = await Task.WhenAll(sends.Select(OutcomeAsync));

        await using var again = disk.Open(path);
        var accepted = answers.Select((outcome, i) => (outcome, n: i + 1)).Where(answer => answer.outcome == "Committed").Select(answer => $"{answer.n}");
        Assert.That((await again.SyncAsync("B1", limit: 10_000)).Contents, Is.EqualTo(accepted.Prepend("0")));
        Assert.That(answers, Is.All.AnyOf("Committed", nameof(ObjectDisposedException)));
        Assert.That(answers.Count(answer => answer == "Committed"), Is.GreaterThanOrEqualTo(4096), "what was in the queue");
    }

    [Test, Category("Slow")]
    public async Task Requests_around_the_closing_are_answered_or_refused()
    {
        using var disk = new FaultyDisk();
        var path = TestFolder.NewFile();
        for (var round = 0; round < 20; round++)
        {
            var store = disk.Open(path);
            var (transactions, inbox) = (store.Transactions, store.Inbox);
            await store.SendAsync($"{round}", "x", "B1");
            using var started = new CountdownEvent(40);
            var requests = Enumerable.Range(0, 40).Select(n => Task.Run(async () =>
            {
                started.Signal();
                while (true)
                {
                    // Until it is refused: so some come in every moment of the closing.
                    if (n % 2 == 0) (await inbox.ReadAsync(new DeviceAddress("@bob:hs1", "B1"), InboxPosition.Start, 10, int.MaxValue, default)).Dispose();
                    else await transactions.PurgeAsync(TransactionKey.SendToDevice, DateTimeOffset.UnixEpoch, 1, default);
                }
            })).ToList();
            started.Wait();
            await store.DisposeAsync();

            foreach (var request in requests) Assert.That(await OutcomeAsync(request), Is.EqualTo(nameof(ObjectDisposedException)));
            Assert.That(disk.OpenFiles, Is.Zero, "everything was closed");
        }
    }

    private static async Task<string> OutcomeAsync(Task<CommitResult> send)
    {
        try
        {
            return $"{await send}";
        }
        catch (Exception exception)
        {
            return exception.GetType().Name;
        }
    }

    private static async Task<string> OutcomeAsync(Task request)
    {
        try
        {
            await request;
            return "done";
        }
        catch (Exception exception)
        {
            return exception.GetType().Name;
        }
    }
}
