using System.Threading.Tasks.Sources;

namespace Matrix.ToDevice;

/// <summary>Something that waits to be written, as a part of the next commit.</summary>
internal abstract class WriteItem
{
    /// <summary>How much it adds to the commit, in bytes, about.</summary>
    public abstract int Bytes { get; }

    /// <summary>Writes it, on the writer's thread. What it throws undoes everything that shares the commit.</summary>
    public abstract void Execute(WriteConnection connection);

    /// <summary>The commit is on the disk.</summary>
    public abstract void Succeed();

    /// <summary>Nothing of the commit is visible, or nobody knows: then a look-up by key tells.</summary>
    public abstract void Fail(Exception exception);
}

/// <summary>Something that waits to be written and has a result, for one caller who waits for it.</summary>
internal abstract class WriteItem<T> : WriteItem, IValueTaskSource<T>
{
    private ManualResetValueTaskSourceCore<T> _done = new() { RunContinuationsAsynchronously = true };
    private T? _result;

    /// <summary>What it has come to; nobody else knows of it yet.</summary>
    protected T? Result => _result;

    /// <summary>Completes with <see cref="WriteItem.Succeed"/> or <see cref="WriteItem.Fail"/>. To be awaited once.</summary>
    public ValueTask<T> Done => new(this, _done.Version);

    public sealed override void Execute(WriteConnection connection) => _result = Write(connection);

    public override void Succeed() => _done.SetResult(_result!);

    public sealed override void Fail(Exception exception) => _done.SetException(exception);

    T IValueTaskSource<T>.GetResult(short token) => _done.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<T>.GetStatus(short token) => _done.GetStatus(token);

    void IValueTaskSource<T>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _done.OnCompleted(continuation, state, token, flags);

    protected abstract T Write(WriteConnection connection);
}

/// <summary>A small change: nothing that adds to the size of a commit.</summary>
internal sealed class WriteItemOf<T>(Func<WriteConnection, T> write) : WriteItem<T>
{
    public override int Bytes => 0;

    protected override T Write(WriteConnection connection) => write(connection);
}
