using System.Buffers;
using Npgsql;

namespace Matrix.ToDevice;

/// <summary>The contents of a page, one behind the other, in an array of the shared pool.</summary>
internal sealed class PageMemory : IDisposable
{
    private byte[] _buffer = [];
    private int _length;

    /// <summary>Adds a column's content; the result is where it begins.</summary>
    public int Add(NpgsqlDataReader reader, int column, out int length)
    {
        length = (int)reader.GetBytes(column, 0, null, 0, 0);
        if (length > _buffer.Length - _length)
        {
            var larger = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(2 * ((long)_length + length), 4096, Array.MaxLength));
            _buffer.AsSpan(0, _length).CopyTo(larger);
            Dispose();
            _buffer = larger;
        }

        reader.GetBytes(column, 0, _buffer, _length, length);
        _length += length;
        return _length - length;
    }

    public ReadOnlyMemory<byte> Slice(int start, int length) => _buffer.AsMemory(start, length);

    public void Dispose()
    {
        if (_buffer.Length > 0) ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
    }
}
