namespace Matrix.ToDevice.Tests;

/// <summary>Locks of rows as a database has them: each has one owner until that one's transaction ends.</summary>
internal sealed class RowLocks
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, (object Owner, TaskCompletionSource Released)> _rows = [];
    private readonly Dictionary<object, string> _waiting = [];

    /// <summary>Locks a row, when whoever has it has released it.</summary>
    /// <param name="owner">Who.</param>
    /// <param name="row">Which.</param>
    /// <param name="seesCircles">Whether one that would wait in a circle is told so; otherwise all in it wait for ever.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task LockAsync(object owner, string row, bool seesCircles, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task released;
            lock (_lock)
            {
                _waiting.Remove(owner);
                if (!_rows.TryGetValue(row, out var held)) _rows.Add(row, held = (owner, new(TaskCreationOptions.RunContinuationsAsynchronously)));
                if (held.Owner == owner) return;
                if (seesCircles && IsInCircle(owner, held.Owner)) throw new DeadlockException();
                _waiting[owner] = row;
                released = held.Released.Task;
            }

            await released.WaitAsync(cancellationToken);
        }
    }

    public void Release(object owner)
    {
        lock (_lock)
        {
            _waiting.Remove(owner);
            foreach (var (row, held) in _rows.Where(pair => pair.Value.Owner == owner).ToList())
            {
                _rows.Remove(row);
                held.Released.SetResult();
            }
        }
    }

    /// <summary>Whether the one who would be waited for waits for whoever would wait, over however many others.</summary>
    private bool IsInCircle(object owner, object other)
    {
        while (other != owner && _waiting.TryGetValue(other, out var row) && _rows.TryGetValue(row, out var held)) other = held.Owner;
        return other == owner;
    }
}

internal sealed class DeadlockException() : Exception("Deadlock found when trying to get lock.");
