using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Matrix.ToDevice;

/// <summary>
/// A dictionary that grows and shrinks by one bucket at a time (linear hashing), where .NET's doubles and never shrinks: no
/// call takes long, however much is in it, and what it takes of memory is what is in it.
/// </summary>
internal sealed class GradualTable<TKey, TValue>
    where TKey : struct, IEquatable<TKey>
{
    private const int None = -1;

    // Without holes: the last entry takes the place of one that is removed. There are as many buckets as entries.
    private readonly GradualList<Entry> _entries = new();
    private readonly GradualList<int> _buckets = new();

    /// <summary>What each entry takes.</summary>
    public static int EntryBytes => Unsafe.SizeOf<Entry>() + sizeof(int);

    /// <summary>The value at an index, which is good until something is removed.</summary>
    public ref TValue this[int index] => ref _entries[index].Value;

    public bool TryGetValue(in TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        var index = IndexOf(key);
        value = index < 0 ? default : _entries[index].Value;
        return index >= 0;
    }

    /// <summary>Where a key is; negative if it is not there.</summary>
    public int IndexOf(in TKey key)
    {
        if (_entries.Count == 0) return None;

        var hash = key.GetHashCode();
        var index = _buckets[BucketOf(hash, _buckets.Count)];
        while (index != None)
        {
            ref var entry = ref _entries[index];
            if (entry.Hash == hash && entry.Key.Equals(key)) break;
            index = entry.Next;
        }

        return index;
    }

    /// <summary>Adds a key that is not there, and returns where it is.</summary>
    public int Add(in TKey key, TValue value)
    {
        var index = _entries.Count;
        _buckets.Add(None);
        if (index > 0) Split(index);

        var hash = key.GetHashCode();
        ref var bucket = ref _buckets[BucketOf(hash, _buckets.Count)];
        _entries.Add(new Entry { Key = key, Value = value, Hash = hash, Next = bucket });
        return bucket = index;
    }

    /// <summary>Removes an entry; the one that was the last, at the index of <see cref="LastIndex"/>, is at its index then.</summary>
    public void RemoveAt(int index)
    {
        PointerTo(index) = _entries[index].Next;
        var last = LastIndex;
        if (index != last)
        {
            PointerTo(last) = index;
            _entries[index] = _entries[last];
        }

        Merge(last);
        _entries.RemoveLast();
        _buckets.RemoveLast();
    }

    public int LastIndex => _entries.Count - 1;

    public bool Remove(in TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        var index = IndexOf(key);
        value = index < 0 ? default : _entries[index].Value;
        if (index >= 0) RemoveAt(index);
        return index >= 0;
    }

    private static int BucketOf(int hash, int buckets)
    {
        var mask = (int)BitOperations.RoundUpToPowerOf2((uint)buckets) - 1;
        var bucket = hash & mask;
        return bucket < buckets ? bucket : bucket & (mask >> 1);
    }

    /// <summary>The bucket that a later one takes its entries from, and gives them back to.</summary>
    private static int Origin(int bucket) => bucket & ((1 << BitOperations.Log2((uint)bucket)) - 1);

    /// <summary>A new last bucket takes its entries.</summary>
    private void Split(int bucket)
    {
        ref var at = ref _buckets[Origin(bucket)];
        while (at != None)
        {
            ref var entry = ref _entries[at];
            if (BucketOf(entry.Hash, bucket + 1) == bucket)
            {
                var moved = at;
                at = entry.Next;
                entry.Next = _buckets[bucket];
                _buckets[bucket] = moved;
            }
            else
            {
                at = ref entry.Next;
            }
        }
    }

    /// <summary>The last bucket gives its entries back.</summary>
    private void Merge(int bucket)
    {
        if (bucket == 0) return;

        ref var end = ref _buckets[Origin(bucket)];
        while (end != None) end = ref _entries[end].Next;
        end = _buckets[bucket];
    }

    private ref int PointerTo(int index)
    {
        ref var pointer = ref _buckets[BucketOf(_entries[index].Hash, _buckets.Count)];
        while (pointer != index) pointer = ref _entries[pointer].Next;
        return ref pointer;
    }

    private struct Entry
    {
        public TKey Key;
        public TValue Value;
        public int Hash;
        public int Next;
    }
}
