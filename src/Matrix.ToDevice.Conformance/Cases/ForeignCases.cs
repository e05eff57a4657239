using static Matrix.ToDevice.Session;

namespace Matrix.ToDevice;

internal static class ForeignCases
{
    private const string Reason =
        "What is appended to a transaction of another store would not be committed with it: throw ArgumentException.";

    public static IReadOnlyList<ConformanceCase> All { get; } =
    [
        new(Promises.Foreign, The_inbox_refuses_a_transaction_of_another_store),
        new(Promises.Foreign, The_outbox_refuses_a_transaction_of_another_store, StoreClaims.Outbox),
    ];

    private static Task The_inbox_refuses_a_transaction_of_another_store(CaseRun run) =>
        RefuseAsync(run, (store, transaction) => store.Inbox.AppendAsync(transaction, [Message(Bob, "1")], store.Cancel));

    private static Task The_outbox_refuses_a_transaction_of_another_store(CaseRun run) =>
        RefuseAsync(run, (store, transaction) => store.Outbox.AppendAsync(transaction, [Edu("hs2", "m1")], store.Cancel));

    private static async Task RefuseAsync(CaseRun run, Func<Session, IToDeviceTransaction, ValueTask> append)
    {
        var (store, other) = (await run.OpenAsync(), await run.OpenAsync());
        var foreign = await other.PrepareAsync("t1", "other", Bob);
        await Check.ThrowsAsync<ArgumentException>(() => append(store, foreign), Reason);
        await Check.ThrowsAsync<ArgumentException>(() => append(store, new UnknownTransaction()), Reason);
        await other.CommitAsync(foreign, CommitResult.Committed, "The transaction that was refused elsewhere is still good in its own store.");
        Check.Same(await other.ContentsAsync(Bob), ["other"], "Its own store delivers it.");
        Check.Empty(await store.ContentsAsync(Bob), "The other one delivers nothing.");
    }

    private sealed class UnknownTransaction : IToDeviceTransaction
    {
        public ValueTask<CommitResult> CommitAsync(CancellationToken cancellationToken) => new(CommitResult.Committed);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
