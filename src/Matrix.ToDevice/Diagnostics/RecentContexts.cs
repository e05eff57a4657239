using System.Diagnostics;

namespace Matrix.ToDevice;

/// <summary>Which traces the latest sends of this host belong to. Bounded: what is older has no links.</summary>
internal sealed class RecentContexts<TKey>
    where TKey : notnull
{
    private const int Most = 4096;

    private readonly Lock _lock = new();
    private readonly Dictionary<TKey, ActivityContext> _contexts = [];
    private readonly Queue<TKey> _order = new();

    public void Add(TKey key, ActivityContext context)
    {
        lock (_lock)
        {
            if (!_contexts.TryAdd(key, context)) return;
            _order.Enqueue(key);
            if (_order.Count > Most) _contexts.Remove(_order.Dequeue());
        }
    }

    /// <summary>Links to those of these that are known, each once.</summary>
    public List<ActivityLink> LinksTo(IEnumerable<TKey> keys)
    {
        HashSet<ActivityContext> known = [];
        lock (_lock)
        {
            foreach (var key in keys)
                if (_contexts.TryGetValue(key, out var context)) known.Add(context);
        }

        return [.. known.Select(context => new ActivityLink(context))];
    }
}
