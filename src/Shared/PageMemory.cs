using System.Buffers;

namespace Matrix.ToDevice;

/// <summary>The contents of an <see cref="InboxPage"/>, one behind the other, in an array of the shared pool.</summary>
internal sealed class PageMemory : IDisposable
{
    private const int Smallest = 4096;

    private byte[] _buffer = [];
    private int _length;

    /// <summary>The array. It is another one after the next <see cref="Add(int)"/>.</summary>
    public byte[] Buffer => _buffer;

    /// <summary>Makes room for a content; the result is where it begins.</summary>
    public int Add(int length)
    {
        if (length > _buffer.Length - _length)
        {
            var larger = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(Math.Max(2L * _length, (long)_length + length), Smallest, Array.MaxLength));
            _buffer.AsSpan(0, _length).CopyTo(larger);
            Dispose();
            _buffer = larger;
        }

        _length += length;
        return _length - length;
    }

    /// <summary>Adds a content; the result is where it begins.</summary>
    public int Add(ReadOnlySpan<byte> content)
    {
        var start = Add(content.Length);
        content.CopyTo(_buffer.AsSpan(start));
        return start;
    }

    public ReadOnlyMemory<byte> Slice(int start, int length) => _buffer.AsMemory(start, length);

    public void Dispose()
    {
        if (_buffer.Length > 0) ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
    }
}
