using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Matrix.ToDevice;

/// <summary>
/// Holds the contents of pending messages in large blocks, each cut into slots of one size. The garbage collector sees a
/// few pinned arrays instead of an object for each message; a slot that is given back is used again, and so is a block, for
/// slots of any size. Not thread-safe: its store locks.
/// </summary>
/// <remarks>
/// Slot sizes are powers of two and the middles between them, so at most a third of a slot is unused, beyond the smallest.
/// What is reckoned is blocks, whether their slots are in use or not.
/// </remarks>
internal sealed class ContentPool(InMemoryCapacity capacity)
{
    private const int BlockSize = 1 << 18;
    private const int SmallestLog = 7;
    private const int LargestLog = 16;
    private const int Alone = -1;

    // The object beside the array.
    private const int BlockOverhead = 72;
    private static readonly int s_blockBytes = InMemoryCapacity.SizeOf(BlockSize) + BlockOverhead;

    // Of each size, the blocks that have room.
    private readonly Block?[] _withRoom = new Block?[2 * (LargestLog - SmallestLog) + 1];
    private Block? _spare;

    /// <summary>Room for a content, unless there is none.</summary>
    public bool TryRent(int length, out Slot slot)
    {
        slot = default;
        if (length > 1 << LargestLog)
        {
            if (!capacity.TryTake(InMemoryCapacity.SizeOf(length) + BlockOverhead)) return false;
            slot = new Slot(new Block(GC.AllocateUninitializedArray<byte>(length)) { SizeClass = Alone }, 0, length);
            return true;
        }

        var sizeClass = SizeClassOf(length);
        var block = _withRoom[sizeClass];
        if (block is null)
        {
            if (!TryRentBlock(out block)) return false;
            block.Cut(sizeClass, SlotBytes(sizeClass));
            Link(block);
        }

        slot = new Slot(block, block.TakeSlot(), length);
        if (!block.HasRoom) Unlink(block);
        return true;
    }

    /// <summary>Takes a slot back; its content must not be read any more.</summary>
    public void Return(Slot slot)
    {
        var block = slot.Block;
        if (block.SizeClass == Alone)
        {
            capacity.Give(InMemoryCapacity.SizeOf(slot.Length) + BlockOverhead);
            return;
        }

        // The fullest come first, so that others become empty.
        if (!block.HasRoom) Link(block);
        if (block.GiveSlot(slot.Offset)) return;

        Unlink(block);
        if (capacity.GiveAndKeep(s_blockBytes)) (block.Next, _spare) = (_spare, block);
    }

    private bool TryRentBlock([NotNullWhen(true)] out Block? block)
    {
        block = null;
        if (!capacity.TryTake(s_blockBytes)) return false;

        block = _spare ?? new Block(GC.AllocateUninitializedArray<byte>(BlockSize, pinned: true));
        if (_spare is null) return true;

        _spare = block.Next;
        capacity.UseSpare(s_blockBytes);
        return true;
    }

    private void Link(Block block)
    {
        ref var first = ref _withRoom[block.SizeClass];
        (block.Previous, block.Next) = (null, first);
        if (first is not null) first.Previous = block;
        first = block;
    }

    private void Unlink(Block block)
    {
        if (block.Previous is null) _withRoom[block.SizeClass] = block.Next;
        else block.Previous.Next = block.Next;
        if (block.Next is not null) block.Next.Previous = block.Previous;
        block.Previous = block.Next = null;
    }

    private static int SizeClassOf(int length)
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
    internal readonly record struct Slot(Block Block, int Offset, int Length)
    {
        public Span<byte> Span => Block.Bytes.AsSpan(Offset, Length);
    }

    /// <summary>An array that is cut into slots of one size. A free slot holds the offset of the next free one.</summary>
    internal sealed class Block(byte[] bytes)
    {
        private const int NoSlot = -1;

        private int _slotBytes;
        private int _uncut;
        private int _free;
        private int _inUse;

        public byte[] Bytes => bytes;
        public int SizeClass { get; set; }
        public Block? Previous { get; set; }
        public Block? Next { get; set; }

        public bool HasRoom => _free != NoSlot || _uncut + _slotBytes <= bytes.Length;

        /// <summary>Cuts an empty block anew.</summary>
        public void Cut(int sizeClass, int slotBytes) => (SizeClass, _slotBytes, _uncut, _free, _inUse) = (sizeClass, slotBytes, 0, NoSlot, 0);

        public int TakeSlot()
        {
            _inUse++;
            var offset = _free;
            if (offset != NoSlot)
            {
                _free = MemoryMarshal.Read<int>(bytes.AsSpan(offset));
                return offset;
            }

            offset = _uncut;
            _uncut += _slotBytes;
            return offset;
        }

        /// <summary>Takes a slot back, and tells whether others are in use.</summary>
        public bool GiveSlot(int offset)
        {
            MemoryMarshal.Write(bytes.AsSpan(offset), _free);
            _free = offset;
            return --_inUse > 0;
        }
    }
}
