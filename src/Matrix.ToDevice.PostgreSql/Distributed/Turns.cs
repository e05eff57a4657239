namespace Matrix.ToDevice;

/// <summary>
/// Does something for a key once at a time. Whoever comes while it is done waits for the next turn, all together: what they have put there
/// before they came is seen by it.
/// </summary>
internal sealed class Turns<TKey>(Func<TKey, Task> turn)
    where TKey : notnull
{
    private readonly Lock _lock = new();
    private readonly Dictionary<TKey, (Task Current, Task? Next)> _turns = [];

    public Task RunAsync(TKey key)
    {
        lock (_lock)
        {
            if (!_turns.TryGetValue(key, out var turns))
            {
                _turns[key] = (Task.Run(() => RunAsync(key, Task.CompletedTask)), null);
                return _turns[key].Current;
            }

            var next = turns.Next ?? Task.Run(() => RunAsync(key, turns.Current));
            _turns[key] = (turns.Current, next);
            return next;
        }
    }

    private async Task RunAsync(TKey key, Task before)
    {
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        try
        {
            await turn(key);
        }
        finally
        {
            lock (_lock)
            {
                if (_turns[key].Next is { } next) _turns[key] = (next, null);
                else _turns.Remove(key);
            }
        }
    }
}
