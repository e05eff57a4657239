using System.Numerics;

namespace Matrix.ToDevice;

/// <summary>
/// Holds the contents of pending messages in large blocks, each cut into slots of one size. The garbage collector sees a
/// few pinned arrays instead of an object for each message, and a slot that is given back is used again.
/// Not thread-safe: its store locks.
/// </summary>
/// <remarks>Slot sizes are powers of two and the middles between them, so at most a third of a slot is unused, beyond the smallest.</remarks>
internal sealed class ContentPool
{
    private const int BlockBytes = 1 << 20;
    private const int SmallestLog = 7;
    private const int LargestPooled = 1 << 19;

    private readonly Stack<(byte[] Block, int Offset)>[] _free = new Stack<(byte[], int)>[2 * (19 - SmallestLog) + 1];
    private readonly (byte[]? Block, int Used)[] _newest = new (byte[]?, int)[2 * (19 - SmallestLog) + 1];

    /// <summary>Room for a content.</summary>
    public Slot Rent(int length)
    {
        if (length > LargestPooled) return new Slot(GC.AllocateUninitializedArray<byte>(length), 0, length);

        var sizeClass = SizeClass(length);
        if (_free[sizeClass]?.TryPop(out var free) == true) return new Slot(free.Block, free.Offset, length);

        ref var newest = ref _newest[sizeClass];
        var bytes = SlotBytes(sizeClass);
        if (newest.Block is null || newest.Used + bytes > BlockBytes)
            newest = (GC.AllocateUninitializedArray<byte>(BlockBytes, pinned: true), 0);
        var slot = new Slot(newest.Block, newest.Used, length);
        newest.Used += bytes;
        return slot;
    }

    /// <summary>Takes a slot back; its content must not be read any more.</summary>
    public void Return(Slot slot)
    {
        if (slot.Length <= LargestPooled) (_free[SizeClass(slot.Length)] ??= new()).Push((slot.Block, slot.Offset));
    }

    /// <summary>How many bytes a content of this length takes up.</summary>
    public static int SizeOf(int length) => length > LargestPooled ? length : SlotBytes(SizeClass(length));

    private static int SizeClass(int length)
    {
        if (length <= 1 << SmallestLog) return 0;
        var log = BitOperations.Log2((uint)length - 1);
        var middle = (1 << log) + (1 << (log - 1));
        return 2 * (log - SmallestLog) + (length <= middle ? 1 : 2);
    }

    private static int SlotBytes(int sizeClass)
    {
        var power = 1 << (SmallestLog + sizeClass / 2);
        return sizeClass % 2 == 0 ? power : power + power / 2;
    }

    /// <summary>Where a content lies.</summary>
    internal readonly record struct Slot(byte[] Block, int Offset, int Length)
    {
        public Span<byte> Span => Block.AsSpan(Offset, Length);
    }
}
