using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

internal static class AbandonedCases
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.Abandoned, An_abandoned_transaction_leaves_nothing),
        new(Promises.Abandoned, Nothing_is_visible_before_the_commit),
        new(Promises.Abandoned, An_abandoned_duplicate_does_not_take_the_record_with_it),
        new(Promises.NobodyHeldUp, An_open_transaction_holds_up_nobody),
    ];

    private static async Task An_abandoned_transaction_leaves_nothing(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DisposeAsync(await store.PrepareAsync("t1", "1", Bob));
        await store.DisposeAsync(await store.BeginAsync("t2"));
        Check.Empty(await store.ContentsAsync(Bob), "A transaction that was disposed without a commit delivers nothing.");
        foreach (var txnId in (string[])["t1", "t2"])
        {
            Check.Equal(
                await store.SendAsync(txnId, "2", Bob), CommitResult.Committed,
                "The key of a transaction that was disposed without a commit is free: its retry is the first to commit.");
        }

        Check.Same(await store.ContentsAsync(Bob), ["2", "2"], "What the retries sent has to be there, and nothing else.");
    }

    private static async Task Nothing_is_visible_before_the_commit(CaseRun run)
    {
        var store = await run.OpenAsync();
        var transaction = await store.PrepareAsync("t1", "1", Bob);
        Check.Empty(await store.ContentsAsync(Bob), "A message may not be seen before its transaction commits: the transaction may be abandoned.");
        await store.CommitAsync(transaction, CommitResult.Committed, "Nothing speaks against this commit.");
        Check.Same(await store.ContentsAsync(Bob), ["1"], "A message has to be there when CommitAsync has returned.");
    }

    private static async Task An_abandoned_duplicate_does_not_take_the_record_with_it(CaseRun run)
    {
        var store = await run.OpenAsync();
        var first = await store.PrepareAsync("t1", "1", Bob);
        var second = await store.PrepareAsync("t1", "2", Bob);
        await store.CommitAsync(first, CommitResult.Committed, "Nothing speaks against this commit.");
        await store.DisposeAsync(second);
        Check.Equal(
            await store.SendAsync("t1", "3", Bob), CommitResult.AlreadyCommitted,
            "Abandoning a duplicate must not free the key that another transaction has committed.");
        Check.Same(await store.ContentsAsync(Bob), ["1"], "The committed message stays, alone.");
    }

    private static async Task An_open_transaction_holds_up_nobody(CaseRun run)
    {
        var store = await run.OpenAsync();
        await store.DeliverAsync("t0", "0", Bob);
        var open = await store.PrepareAsync("open", "open", Bob, Carol);
        await store.DeliverAsync("t1", "1", Bob, Carol);
        await store.DeliverAsync("open", "duplicate", Bob);
        Check.Same(await store.ContentsAsync(Bob), ["0", "1", "duplicate"], "Others are delivered while a transaction is open.");
        Check.Equal(await store.AcknowledgeAsync(Bob, (await store.ReadAsync(Bob))[0].Position), 1, "Acknowledging goes on while a transaction is open.");
        await store.RemoveDeviceAsync(Carol);
        await store.DisposeAsync(open);
    }
}
