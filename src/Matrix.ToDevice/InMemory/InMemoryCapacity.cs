namespace Matrix.ToDevice;

/// <summary>
/// What the store takes of memory and how much more it may. Everything that stays behind a call is reckoned here before it is
/// taken. Not thread-safe: its store locks.
/// </summary>
internal sealed class InMemoryCapacity
{
    // What an empty store has: the first chunks of its lists, and the one that each keeps when it shrinks.
    private const int Fixed = 512 * 1024;

    private readonly long _bytes;
    private readonly long _most;
    private readonly long _mostSpare;
    private long _used = Fixed;
    private long _spare;

    public InMemoryCapacity(long bytes)
    {
        _bytes = bytes;
        // What is not used at the moment is kept for the next one who needs it, but not much of it.
        _mostSpare = bytes / 16;
        _most = bytes - _mostSpare;
    }

    /// <summary>Takes, unless that would be too much.</summary>
    public bool TryTake(long bytes)
    {
        if (bytes > _most - _used) return false;
        _used += bytes;
        return true;
    }

    public bool HasRoom(long bytes) => bytes <= _most - _used;

    /// <summary>Takes what was reserved, and given back for that.</summary>
    public void Take(long bytes) => _used += bytes;

    public void Give(long bytes) => _used -= bytes;

    /// <summary>Gives back, and tells whether there is room to keep it as a spare one; otherwise, it goes.</summary>
    public bool GiveAndKeep(long bytes)
    {
        _used -= bytes;
        if (_spare + bytes > _mostSpare) return false;
        _spare += bytes;
        return true;
    }

    /// <summary>A spare one is in use again; that was taken with <see cref="TryTake"/> or <see cref="Take"/>.</summary>
    public void UseSpare(long bytes) => _spare -= bytes;

    public InvalidOperationException Exceeded() => new($"The in-memory store has reached its capacity of {_bytes} bytes.");

    /// <summary>What a text takes.</summary>
    public static int SizeOf(string? text) => text is null ? 0 : (22 + (2 * text.Length) + 7) & ~7;

    /// <summary>What an array of bytes takes.</summary>
    public static int SizeOf(int length) => (24 + length + 7) & ~7;
}
