namespace Matrix.ToDevice;

/// <summary>A send that waits for its commit.</summary>
internal sealed class CommitItem(PostgreSqlTransaction transaction)
{
    private readonly TaskCompletionSource<CommitResult> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public PostgreSqlTransaction Transaction => transaction;
    public Task<CommitResult> Done => _done.Task;

    public void Succeed(CommitResult result) => _done.TrySetResult(result);

    public void Fail(Exception exception) => _done.TrySetException(exception);
}
