using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Matrix.ToDevice;

/// <summary>
/// What makes two requests the same request (R40–R49, D2): a retry carries an equal key, whatever its body, and
/// whichever access token of the device it came with. Compared by ordinal, case-sensitive text.
/// </summary>
/// <param name="UserId">The requester's user ID, or another server's name: see <see cref="OfEdu"/>.</param>
/// <param name="DeviceId">The requester's device ID; null for an appservice that acts without a device (D2), and for a server.</param>
/// <param name="Endpoint">The endpoint: one of this type's constants. The same transaction ID on another endpoint is another transaction (R43).</param>
/// <param name="EventType">The decoded event type of the path (R44); empty for an EDU.</param>
/// <param name="TransactionId">The decoded transaction ID of the path, or an EDU's <c>message_id</c>. Any text: its grammar is not specified (R49).</param>
public readonly record struct TransactionKey(
    string UserId, string? DeviceId, string Endpoint, string EventType, string TransactionId)
{
    /// <summary>The <see cref="Endpoint"/> of <c>PUT …/sendToDevice/{eventType}/{txnId}</c>, under every prefix (D1).</summary>
    public const string SendToDevice = "sendToDevice";

    /// <summary>The <see cref="Endpoint"/> of an <c>m.direct_to_device</c> EDU from another server (R80).</summary>
    public const string DirectToDevice = "m.direct_to_device";

    // With something else in the place of half a surrogate pair, two keys would have one fingerprint.
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>
    /// The key of an EDU from another server: a repeated one carries an equal key (R81, D15). The server name stands for the
    /// user; no user ID is one, because those begin with <c>@</c>.
    /// </summary>
    /// <param name="origin">The server that sent it, as its request was signed.</param>
    /// <param name="messageId">The EDU's <c>message_id</c>.</param>
    public static TransactionKey OfEdu(string origin, string messageId) => new(origin, null, DirectToDevice, "", messageId);

    /// <summary>
    /// The first 16 bytes of a SHA-256 over the five parts: a key of fixed size for a store's index. Nobody can make
    /// two keys with one fingerprint, so a store may keep the fingerprint alone.
    /// </summary>
    /// <exception cref="ArgumentException">A part has half of a surrogate pair, which is no text.</exception>
    public UInt128 Fingerprint()
    {
        ReadOnlySpan<string?> parts = [UserId, DeviceId, Endpoint, EventType, TransactionId];
        var size = 0;
        foreach (var part in parts)
            size += sizeof(int) + s_utf8.GetMaxByteCount(part?.Length ?? 0);

        var rented = size <= 1024 ? null : ArrayPool<byte>.Shared.Rent(size);
        var text = rented ?? stackalloc byte[1024];
        try
        {
            var written = 0;
            foreach (var part in parts)
            {
                // The length goes first, so that no two sets of parts run together into the same bytes.
                var length = part is null ? -1 : s_utf8.GetBytes(part, text[(written + sizeof(int))..]);
                BinaryPrimitives.WriteInt32LittleEndian(text[written..], length);
                written += sizeof(int) + Math.Max(length, 0);
            }

            Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
            SHA256.HashData(text[..written], hash);
            return BinaryPrimitives.ReadUInt128BigEndian(hash);
        }
        finally
        {
            if (rented is not null) ArrayPool<byte>.Shared.Return(rented);
        }
    }
}
