using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

internal static class OverCases
{
    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.CommitOnce, A_transaction_that_was_committed_is_over),
        new(Promises.CommitOnce, A_transaction_that_was_refused_is_over),
        new(Promises.CommitOnce, A_transaction_that_was_disposed_is_over),
    ];

    private static async Task A_transaction_that_was_committed_is_over(CaseRun run)
    {
        var store = await run.OpenAsync();
        var transaction = await store.PrepareAsync("t1", "1", Bob);
        Check.Equal(await store.CommitAsync(transaction), CommitResult.Committed, "Nothing speaks against this commit.");
        await ThrowsAsync(store, transaction, "committed");
        // Its record is no reason any more.
        await store.PurgeAsync(run.Time.Advance(TimeSpan.FromHours(25)));
        await ThrowsAsync(store, transaction, "committed");
        await store.DisposeAsync(transaction);
        await ThrowsAsync(store, transaction, "committed and disposed");
        await store.DisposeAsync(transaction);

        await store.DeliverAsync("t2", "2", Carol);
        Check.Same(await store.ContentsAsync(Bob), ["1"], "A transaction delivers once.");
        Check.Same(await store.ContentsAsync(Carol), ["2"], "What others send is their own.");
    }

    private static async Task A_transaction_that_was_refused_is_over(CaseRun run)
    {
        var store = await run.OpenAsync();
        var duplicate = await store.PrepareAsync("t1", "2", Bob);
        await store.DeliverAsync("t1", "1", Bob);
        Check.Equal(await store.CommitAsync(duplicate), CommitResult.AlreadyCommitted, "The key was committed while this transaction was open.");
        await store.PurgeAsync(run.Time.Advance(TimeSpan.FromHours(25)));
        await ThrowsAsync(store, duplicate, "AlreadyCommitted");
        await store.DisposeAsync(duplicate);

        var late = await store.PrepareAsync("t2", "3", Carol);
        await store.RemoveDeviceAsync(Carol);
        Check.Equal(await store.CommitAsync(late), CommitResult.DeviceRemoved, "A recipient was removed while this transaction was open.");
        await ThrowsAsync(store, late, "DeviceRemoved");
        await store.PurgeAsync(run.Time.Advance(TimeSpan.FromHours(25)));
        await ThrowsAsync(store, late, "DeviceRemoved");
        await store.DisposeAsync(late);

        Check.Same(await store.ContentsAsync(Bob), ["1"], "A transaction that was AlreadyCommitted delivers nothing.");
        Check.Empty(await store.ContentsAsync(Carol), "A transaction that was refused delivers nothing.");
        await store.DeliverAsync("t2", "4", Carol);
        Check.Same(await store.ContentsAsync(Carol), ["4"], "A retry is a transaction of its own.");
    }

    private static async Task A_transaction_that_was_disposed_is_over(CaseRun run)
    {
        var store = await run.OpenAsync();
        var transaction = await store.PrepareAsync("t1", "1", Bob);
        await store.DisposeAsync(transaction);
        await ThrowsAsync(store, transaction, "disposed");
        await store.DisposeAsync(transaction);
        Check.Empty(await store.ContentsAsync(Bob), "A transaction that was disposed delivers nothing.");
        await store.DeliverAsync("t1", "2", Bob);
        Check.Same(await store.ContentsAsync(Bob), ["2"], "Its key is free.");
    }

    private static async Task ThrowsAsync(Session store, IToDeviceTransaction transaction, string how)
    {
        var reason = $"The transaction is over ({how}), and the memory of its contents may be another request's: throw InvalidOperationException from";
        await Check.ThrowsAsync<InvalidOperationException>(async () => await transaction.CommitAsync(store.Cancel), $"{reason} CommitAsync.");
        await Check.ThrowsAsync<InvalidOperationException>(
            () => store.Inbox.AppendAsync(transaction, [Message(Bob, "late")], store.Cancel), $"{reason} AppendAsync.");
        if (store.Instance.Outbox is not null)
        {
            await Check.ThrowsAsync<InvalidOperationException>(
                () => store.Outbox.AppendAsync(transaction, [Edu("hs2", "late")], store.Cancel), $"{reason} the outbox's AppendAsync.");
        }
    }
}
