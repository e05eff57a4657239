namespace Matrix.ToDevice;

/// <summary>Something that waits to be written, as a part of the next commit.</summary>
internal abstract class WriteItem
{
    /// <summary>How much it adds to the commit, in bytes, about.</summary>
    public abstract int Bytes { get; }

    /// <summary>Writes it, on the writer's thread. What it throws fails everything that shares the commit.</summary>
    public abstract void Execute(WriteConnection connection);

    /// <summary>The commit is on the disk.</summary>
    public abstract void Succeed();

    /// <summary>Nothing of the commit is visible, or nobody knows: then a look-up by key tells.</summary>
    public abstract void Fail(Exception exception);
}

/// <summary>Something that waits to be written and has a result.</summary>
internal sealed class WriteItem<T>(Func<WriteConnection, T> write, int bytes) : WriteItem
{
    private readonly TaskCompletionSource<T> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private T? _result;

    public Task<T> Done => _done.Task;

    public override int Bytes => bytes;

    public override void Execute(WriteConnection connection) => _result = write(connection);

    public override void Succeed() => _done.SetResult(_result!);

    public override void Fail(Exception exception) => _done.SetException(exception);
}
