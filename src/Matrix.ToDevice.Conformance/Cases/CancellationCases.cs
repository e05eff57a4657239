using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

internal static class CancellationCases
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.Cancelled, A_call_that_is_cancelled_before_it_begins_does_nothing),
        new(Promises.Cancelled, An_outbox_call_that_is_cancelled_before_it_begins_does_nothing, StoreClaims.Outbox),
        new(Promises.Cancelled, A_send_that_is_cancelled_at_any_moment_is_whole_or_absent),
        new(Promises.Cancelled, An_acknowledgement_or_removal_that_is_cancelled_at_any_moment_is_done_or_not),
    ];

    private static async Task A_call_that_is_cancelled_before_it_begins_does_nothing(CaseRun run)
    {
        var cancelled = new CancellationToken(canceled: true);
        var store = await run.OpenAsync();
        await store.DeliverAsync("t1", "1", Bob);
        var position = (await store.ReadAsync(Bob))[0].Position;
        var open = await store.PrepareAsync("t2", "2", Bob);
        await ThrowsAsync("BeginAsync", async () => await store.Transactions.BeginAsync(Key("t3"), store.KnownRemovals, cancelled));
        await ThrowsAsync("AppendAsync", () => store.Inbox.AppendAsync(open, [Message(Carol, "2")], cancelled));
        await ThrowsAsync("CommitAsync", async () => await open.CommitAsync(cancelled));
        await ThrowsAsync("ReadAsync", async () => await store.Inbox.ReadAsync(Bob, InboxPosition.Start, 1, int.MaxValue, cancelled));
        await ThrowsAsync("AcknowledgeAsync", async () => await store.Inbox.AcknowledgeAsync(Bob, position, cancelled));
        await ThrowsAsync("RemoveDeviceAsync", () => store.Inbox.RemoveDeviceAsync(Bob, cancelled));
        await ThrowsAsync("PurgeAsync", async () => await store.Transactions.PurgeAsync(TransactionKey.SendToDevice, run.Time.Advance(TimeSpan.FromDays(2)), 10, cancelled));
        await store.DisposeAsync(open);

        Check.Same(await store.ContentsAsync(Bob), ["1"], "Cancelled calls have neither delivered nor deleted anything.");
        Check.Empty(await store.ContentsAsync(Carol), "Cancelled calls have neither delivered nor deleted anything.");
        Check.Equal(await store.SendAsync("t1", "again", Bob), CommitResult.AlreadyCommitted, "A cancelled purge forgets nothing.");
        await store.DeliverAsync("t2", "2", Bob);
        await store.DeliverAsync("t3", "3", Bob);
        Check.Same(await store.ContentsAsync(Bob), ["1", "2", "3"], "The store works as before.");
    }

    private static async Task An_outbox_call_that_is_cancelled_before_it_begins_does_nothing(CaseRun run)
    {
        var cancelled = new CancellationToken(canceled: true);
        var store = await run.OpenAsync();
        await store.DeliverEdusAsync("t1", Edu("hs2", "m1"));
        var open = await store.BeginAsync("t2");
        await store.AppendAsync(open, Edu("hs2", "m2"));
        await ThrowsAsync("AppendAsync", () => store.Outbox.AppendAsync(open, [Edu("hs2", "m3")], cancelled));
        await ThrowsAsync("ReadAsync", async () => await store.Outbox.ReadAsync("hs2", 0, 1, cancelled));
        var waiting = await store.EdusAsync("hs2");
        await ThrowsAsync("RemoveAsync", () => store.Outbox.RemoveAsync("hs2", waiting, cancelled));
        await ThrowsAsync("ListDestinationsAsync", async () => await store.Outbox.ListDestinationsAsync(null, 1, cancelled));
        await ThrowsAsync("AcquireAsync", async () => await store.Outbox.AcquireAsync("one", SenderCases.Hour, 1, 1, SenderCases.Day, cancelled));
        Check.Equal(
            await store.TakeOneAsync("two"), new OutboxLease("hs2", 0, 0), "A cancelled call has taken nothing.");
        await ThrowsAsync("RenewAsync", async () => await store.Outbox.RenewAsync("hs2", "two", TimeSpan.Zero, 1, cancelled));
        await ThrowsAsync("ReleaseAsync", () => store.Outbox.ReleaseAsync("hs2", "two", 1, TimeSpan.Zero, cancelled));
        Check.Empty(await store.TakeAsync("three"), "Cancelled calls have neither ended nor shortened a holder's time.");
        await store.ReleaseAsync("hs2", "two", 0, TimeSpan.Zero);
        Check.Equal(await store.TakeOneAsync("three"), new OutboxLease("hs2", 0, 0), "Cancelled calls have noted nothing.");
        await store.CommitAsync(open, CommitResult.Committed, "A call that was cancelled does no harm to its transaction.");
        Check.Same(await store.MessageIdsAsync("hs2"), ["m1", "m2"], "Cancelled calls have neither added nor removed anything.");
    }

    private static async Task A_send_that_is_cancelled_at_any_moment_is_whole_or_absent(CaseRun run)
    {
        const int Sends = 60;
        var store = await run.OpenAsync();
        DeviceAddress[] devices = [Bob, BobsOther, Carol];
        for (var n = 0; n < Sends; n++)
        {
            using var cancel = new CancellationTokenSource();
            var cancelling = CancelLaterAsync(cancel, n);
            CommitResult? answer = null;
            try
            {
                var transaction = await store.Transactions.BeginAsync(Key($"t{n}"), store.KnownRemovals, cancel.Token);
                await using (transaction)
                {
                    await store.Inbox.AppendAsync(transaction!, Messages($"{n}", devices), cancel.Token);
                    answer = await transaction!.CommitAsync(cancel.Token);
                }
            }
            catch (OperationCanceledException)
            {
                // How it ended, the retry finds out.
            }

            await cancelling;
            var counts = new List<int>();
            foreach (var device in devices) counts.Add((await store.ContentsAsync(device)).Count(content => content == $"{n}"));
            // A commit may still be on its way after its caller has been told that it was cancelled: it may appear between
            // these reads, but not go away.
            Check.That(
                counts.Zip(counts.Skip(1)).All(pair => pair.First <= pair.Second),
                $"A send that was cancelled on its way has reached {counts.Count(count => count > 0)} of its {devices.Length} recipients: "
                + "a commit that has begun is carried through, whoever has gone.");
            var retry = await store.SendAsync($"t{n}", $"{n}", devices);
            Check.That(
                retry != CommitResult.DeviceRemoved && (retry == CommitResult.AlreadyCommitted || answer != CommitResult.Committed),
                $"The retry of a send that was cancelled on its way (answer: {(answer is null ? "cancelled" : answer)}) is {retry}.");
        }

        foreach (var device in devices)
        {
            Check.Same(
                await store.ContentsAsync(device), [.. Enumerable.Range(0, Sends).Select(n => $"{n}")],
                "After their retries, all sends are there, each once.");
        }
    }

    private static async Task An_acknowledgement_or_removal_that_is_cancelled_at_any_moment_is_done_or_not(CaseRun run)
    {
        var store = await run.OpenAsync();
        for (var n = 0; n < 30; n++)
        {
            await store.DeliverAsync($"a{n}", "1", Bob);
            await store.DeliverAsync($"b{n}", "2", Bob);
            var page = await store.ReadAsync(Bob);
            await RunAsync(n, async cancel => await store.Inbox.AcknowledgeAsync(Bob, page[^1].Position, cancel));
            var left = (await store.ReadAsync(Bob)).Count;
            Check.That(
                left == 0 || left == page.Count,
                $"An acknowledgement of {page.Count} messages that was cancelled on its way has left {left}: it deletes all of them or none.");

            await RunAsync(n, cancel => store.Inbox.RemoveDeviceAsync(Bob, cancel));
            var stays = await store.ReadAsync(Bob);
            Check.That(
                stays.Count == 0 || stays.Count == left,
                $"A removal that was cancelled on its way has left {stays.Count} of {left} messages: it removes all or nothing.");
            await store.RemoveDeviceAsync(Bob);
            Check.Empty(await store.ContentsAsync(Bob), "The repeated removal has removed the device.");
        }

        static async Task RunAsync(int n, Func<CancellationToken, ValueTask> call)
        {
            using var cancel = new CancellationTokenSource();
            var cancelling = CancelLaterAsync(cancel, n);
            try
            {
                await call(cancel.Token);
            }
            catch (OperationCanceledException)
            {
                // Both are possible.
            }

            await cancelling;
        }
    }

    /// <summary>Cancels after some turns of the thread pool: every time a little later, so that it meets every step of the call.</summary>
    private static Task CancelLaterAsync(CancellationTokenSource cancel, int turns) => Task.Run(async () =>
    {
        for (var turn = 0; turn < turns * 4; turn++) await Task.Yield();
        await cancel.CancelAsync();
    });

    private static Task ThrowsAsync(string call, Func<ValueTask> cancelled) => Check.ThrowsAsync<OperationCanceledException>(
        cancelled, $"{call} was called with a token that had been cancelled before: nothing has begun, so it throws and does nothing.");
}
