namespace Matrix.ToDevice;

/// <summary>
/// A list that grows and shrinks by a chunk at a time: no call copies what is in it, and what it takes of memory is what is
/// in it and at most two chunks.
/// </summary>
internal sealed class GradualList<T>
{
    private const int ChunkLog = 10;
    private const int ChunkSize = 1 << ChunkLog;

    private readonly List<T[]> _chunks = [];

    public int Count { get; private set; }

    public ref T this[int index] => ref _chunks[index >> ChunkLog][index & (ChunkSize - 1)];

    public void Add(T item)
    {
        if (Count >> ChunkLog == _chunks.Count) _chunks.Add(new T[ChunkSize]);
        this[Count++] = item;
    }

    public void RemoveLast()
    {
        this[--Count] = default!;
        // One empty chunk stays, for whoever adds and removes at the edge of a chunk.
        if (_chunks.Count > (Count >> ChunkLog) + 2) _chunks.RemoveAt(_chunks.Count - 1);
    }
}
