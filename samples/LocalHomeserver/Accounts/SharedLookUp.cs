namespace LocalHomeserver;

/// <summary>
/// A question that every request has for the database. Those that come while an answer is under way are asked together, in the next
/// statement: many requests share a round trip. Nothing is remembered: each is answered by a statement
/// that began after it had come, so a token that has ended is refused at once, whichever host ended it.
/// </summary>
/// <param name="ask">Asks about all of them, each once.</param>
internal sealed class SharedLookUp<TAnswer>(Func<IReadOnlyCollection<string>, Task<TAnswer>> ask)
{
    // One very large send alone may name more.
    private const int MaxAsked = 10_000;

    // A connection that hangs holds up those that asked over it, and nobody else.
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private HashSet<string>? _open;
    private Task<TAnswer>? _answer;

    /// <summary>The answer is about others too.</summary>
    public Task<TAnswer> AskAsync(IReadOnlyCollection<string> about, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_open is null || _open.Count >= MaxAsked) _answer = AskAsync(_open = [], _answer ?? Task.CompletedTask);
            _open.UnionWith(about);
            return _answer!.WaitAsync(cancellationToken);
        }
    }

    private async Task<TAnswer> AskAsync(HashSet<string> about, Task before)
    {
        // Whether it failed or not. And never at once: the caller has the lock.
        await before.WaitAsync(s_patience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        lock (_lock)
        {
            if (_open == about) _open = null;
        }

        return await ask(about);
    }
}
