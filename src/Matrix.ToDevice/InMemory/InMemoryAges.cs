namespace Matrix.ToDevice;

/// <summary>
/// The records of one endpoint by their last use: a heap, with the one that has not been used for the longest time on top.
/// Whatever the clock does, each stands where its own time puts it. Not thread-safe: its store locks.
/// </summary>
internal sealed class InMemoryAges(GradualTable<UInt128, InMemoryRecord> records)
{
    private readonly GradualList<int> _heap = new();

    /// <summary>The one that has not been used for the longest time; negative if there is none.</summary>
    public int Oldest => _heap.Count == 0 ? -1 : _heap[0];

    public void Add(int record)
    {
        _heap.Add(record);
        Rise(_heap.Count - 1, record);
    }

    public void Remove(int record)
    {
        var place = records[record].Place;
        var last = _heap[_heap.Count - 1];
        _heap.RemoveLast();
        if (last != record) Settle(place, last);
    }

    /// <summary>The record's last use has changed.</summary>
    public void Used(int record) => Settle(records[record].Place, record);

    /// <summary>The record is at another index of the table.</summary>
    public void Moved(int record) => _heap[records[record].Place] = record;

    private void Settle(int place, int record)
    {
        Rise(place, record);
        if (records[record].Place == place) Sink(place, record);
    }

    private void Rise(int place, int record)
    {
        var time = records[record].LastUsed;
        while (place > 0)
        {
            var above = (place - 1) / 2;
            if (records[_heap[above]].LastUsed <= time) break;
            Put(place, _heap[above]);
            place = above;
        }

        Put(place, record);
    }

    private void Sink(int place, int record)
    {
        var time = records[record].LastUsed;
        while (true)
        {
            var below = (2 * place) + 1;
            if (below >= _heap.Count) break;
            if (below + 1 < _heap.Count && records[_heap[below + 1]].LastUsed < records[_heap[below]].LastUsed) below++;
            if (records[_heap[below]].LastUsed >= time) break;
            Put(place, _heap[below]);
            place = below;
        }

        Put(place, record);
    }

    private void Put(int place, int record)
    {
        _heap[place] = record;
        records[record].Place = place;
    }
}
