using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Matrix.ToDevice;

/// <summary>
/// The text form of a position, for <c>next_batch</c> and <c>since</c>: a version letter, then base64url of the device's
/// fingerprint (8 bytes), the sequence number (8) and the send ID (8).
/// </summary>
/// <remarks>
/// The fingerprint makes a token of another device or user, and garbage, recognisable without a look into the store. It
/// is no secret: whoever forges a token for their own device can only name messages by a send ID that they were shown.
/// </remarks>
internal static class SyncToken
{
    private const char Version = 't';
    private const int Bytes = 24;
    private const int Length = 1 + Bytes / 3 * 4;
    private const int MostOnStack = 512;

    public static string Format(DeviceAddress device, InboxPosition position)
    {
        Span<byte> bytes = stackalloc byte[Bytes];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, Fingerprint(device));
        BinaryPrimitives.WriteInt64BigEndian(bytes[8..], position.Sequence);
        BinaryPrimitives.WriteInt64BigEndian(bytes[16..], position.SendId);

        Span<char> text = stackalloc char[Length];
        text[0] = Version;
        Base64Url.EncodeToChars(bytes, text[1..]);
        return new string(text);
    }

    /// <summary>False for whatever was not made by <see cref="Format"/> for this device.</summary>
    public static bool TryParse(string text, DeviceAddress device, out InboxPosition position)
    {
        position = default;
        Span<byte> bytes = stackalloc byte[Bytes];
        if (text.Length != Length || text[0] != Version
            || !Base64Url.TryDecodeFromChars(text.AsSpan(1), bytes, out var written) || written != Bytes
            || BinaryPrimitives.ReadUInt64BigEndian(bytes) != Fingerprint(device))
        {
            return false;
        }

        position = new InboxPosition(
            BinaryPrimitives.ReadInt64BigEndian(bytes[8..]), BinaryPrimitives.ReadInt64BigEndian(bytes[16..]));
        return position.Sequence >= 0;
    }

    private static ulong Fingerprint(DeviceAddress device)
    {
        var size = sizeof(int) + Encoding.UTF8.GetByteCount(device.UserId) + Encoding.UTF8.GetByteCount(device.DeviceId);
        var bytes = size <= MostOnStack ? stackalloc byte[MostOnStack] : new byte[size];
        // The length of the user ID goes first, so that no two addresses run together into the same bytes.
        var userLength = Encoding.UTF8.GetBytes(device.UserId, bytes[sizeof(int)..]);
        BinaryPrimitives.WriteInt32BigEndian(bytes, userLength);
        Encoding.UTF8.GetBytes(device.DeviceId, bytes[(sizeof(int) + userLength)..]);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes[..size], hash);
        return BinaryPrimitives.ReadUInt64BigEndian(hash);
    }
}
