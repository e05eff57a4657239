using System.Runtime.InteropServices;

namespace Matrix.ToDevice;

/// <summary>The counter rows that a batch locks: each once, in one order, with what it counts and what is known of it.</summary>
internal sealed class Places<TKey> where TKey : notnull
{
    private readonly Dictionary<TKey, int> _places = [];
    private readonly List<(TKey Key, int Place, long Known)> _rows = [];
    private readonly Comparison<(TKey Key, int Place, long Known)> _comparison;
    private readonly List<int> _sorted = [];

    /// <param name="comparison">The order of the rows.</param>
    public Places(Comparison<TKey> comparison) => _comparison = (one, other) => comparison(one.Key, other.Key);

    /// <summary>The rows, in the sorted order.</summary>
    public List<TKey> Sorted { get; } = [];

    /// <summary>For each row, in the sorted order, how many things are counted.</summary>
    public List<long> Counts { get; } = [];

    /// <summary>For each row, in the sorted order, the smallest number that it came with.</summary>
    public List<long> Known { get; } = [];

    /// <summary>For each thing that is counted, how many come behind it in the same row.</summary>
    public List<int> Later { get; } = [];

    /// <summary>Adds a row, if it is not among them; the result is its place in the order of coming.</summary>
    public int Lock(TKey key, long known = 0)
    {
        ref var place = ref CollectionsMarshal.GetValueRefOrAddDefault(_places, key, out var exists);
        if (exists)
        {
            ref var row = ref CollectionsMarshal.AsSpan(_rows)[place];
            row.Known = Math.Min(row.Known, known);
            return place;
        }

        place = _rows.Count;
        _rows.Add((key, place, known));
        return place;
    }

    /// <summary>Sorts the rows, and makes each of <paramref name="places"/> a place from 1 in the sorted order.</summary>
    /// <param name="places">For each thing that is counted, its row's place in the order of coming.</param>
    public void Sort(List<int> places)
    {
        CollectionsMarshal.SetCount(_sorted, _rows.Count);
        CollectionsMarshal.SetCount(Counts, _rows.Count);
        CollectionsMarshal.SetCount(Later, places.Count);
        CollectionsMarshal.AsSpan(Counts).Clear();

        _rows.Sort(_comparison);
        for (var i = 0; i < _rows.Count; i++)
        {
            Sorted.Add(_rows[i].Key);
            Known.Add(_rows[i].Known);
            _sorted[_rows[i].Place] = i;
        }

        ToSorted(places);
        for (var i = places.Count - 1; i >= 0; i--) Later[i] = (int)Counts[places[i] - 1]++;
    }

    /// <summary>Makes places in the order of coming places from 1 in the sorted order.</summary>
    public void ToSorted(List<int> places)
    {
        foreach (ref var place in CollectionsMarshal.AsSpan(places)) place = _sorted[place] + 1;
    }

    public void Clear()
    {
        _places.Clear();
        _rows.Clear();
        _sorted.Clear();
        Sorted.Clear();
        Counts.Clear();
        Known.Clear();
        Later.Clear();
    }
}
