namespace Matrix.ToDevice;

/// <summary>
/// The destinations that have answered this host with a 200 and have not failed since, and which of them have got something to send.
/// They do not stand behind others that nobody has heard of: anybody can make those up (D22).
/// </summary>
internal sealed class WorkingServers
{
    // A host that talks to more begins anew: whoever answers is known again.
    private const int Most = 10_000;

    private readonly Lock _lock = new();
    private readonly HashSet<string> _working = new(StringComparer.Ordinal), _waiting = new(StringComparer.Ordinal);

    public bool Contains(string destination)
    {
        lock (_lock) return _working.Contains(destination);
    }

    public void Add(string destination)
    {
        lock (_lock)
        {
            if (_working.Count == Most) _working.Clear();
            _working.Add(destination);
        }
    }

    public void Remove(string destination)
    {
        lock (_lock) _working.Remove(destination);
    }

    /// <summary>There may be something to send to it.</summary>
    public void Waits(string destination)
    {
        lock (_lock)
            if (_working.Contains(destination)) _waiting.Add(destination);
    }

    /// <summary>Those to which there may be something to send, so many at most; each is told once.</summary>
    public List<string> TakeWaiting(int atMost)
    {
        lock (_lock)
        {
            List<string> taken = [.. _waiting.Take(atMost)];
            _waiting.ExceptWith(taken);
            return taken;
        }
    }
}
