using System.Buffers.Binary;

namespace Matrix.ToDevice.Tests;

/// <summary>Counts in what the server says on a connection how often it is ready for the next thing: once for each round trip.</summary>
internal sealed class ReadyCounter
{
    private const byte Authentication = (byte)'R', Ready = (byte)'Z';

    private readonly byte[] _head = new byte[5];
    private bool _hasBegun;
    private int _headBytes, _bodyBytes;

    public int Count(ReadOnlySpan<byte> bytes)
    {
        var count = 0;
        while (bytes.Length > 0)
        {
            if (!_hasBegun && bytes[0] != Authentication)
            {
                // The answer to whether the connection is to be encrypted.
                bytes = bytes[1..];
                continue;
            }

            _hasBegun = true;
            var length = Math.Min(bytes.Length, _bodyBytes > 0 ? _bodyBytes : _head.Length - _headBytes);
            if (_bodyBytes > 0)
            {
                _bodyBytes -= length;
            }
            else
            {
                bytes[..length].CopyTo(_head.AsSpan(_headBytes));
                _headBytes += length;
                if (_headBytes == _head.Length)
                {
                    _bodyBytes = BinaryPrimitives.ReadInt32BigEndian(_head.AsSpan(1)) - 4;
                    _headBytes = 0;
                    if (_head[0] == Ready) count++;
                }
            }

            bytes = bytes[length..];
        }

        return count;
    }
}
