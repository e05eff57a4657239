using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>
/// The <c>pos</c> of a sliding sync: whose it is, a number of its own, a point, and the position of the last change of keys that the
/// client has been told about. What a connection has been told is all in it, so that it lasts over restarts and on every host; and
/// <c>keys/changes</c> takes it as it takes a <c>next_batch</c> (MSC4543). Messages have their own token (R122).
/// </summary>
internal static class SlidingSyncPos
{
    private const string Version = "s";
    private const int OwnerBytes = 8, NumberBytes = 8;

    /// <summary>Another one for each response: clients take two of the same for one that came twice.</summary>
    public static string Format(DeviceAddress device, string? connId, long keys)
    {
        byte[] bytes = [.. OwnerOf(device, connId), .. RandomNumberGenerator.GetBytes(NumberBytes)];
        return new SyncToken(Version + Base64Url.EncodeToString(bytes), keys).ToString();
    }

    /// <summary>The position; what was not made for this device and this connection is an error (R127).</summary>
    public static long Parse(string text, DeviceAddress device, string? connId)
    {
        var end = text.LastIndexOf('.');
        Span<byte> bytes = stackalloc byte[OwnerBytes + NumberBytes];
        return end > 0 && text.StartsWith(Version, StringComparison.Ordinal)
            && Base64Url.IsValid(text.AsSpan(1..end), out var length) && length == bytes.Length
            && Base64Url.TryDecodeFromChars(text.AsSpan(1..end), bytes, out _)
            && bytes[..OwnerBytes].SequenceEqual(OwnerOf(device, connId))
            && long.TryParse(text.AsSpan(end + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var keys)
                ? keys
                : throw Errors.New(400, "M_UNKNOWN_POS", "This connection is not known: begin a new one, without pos");
    }

    private static byte[] OwnerOf(DeviceAddress device, string? connId)
    {
        // The lengths go first, so that no two owners run together into the same text.
        var owner = string.Create(
            CultureInfo.InvariantCulture, $"{device.UserId.Length} {device.DeviceId.Length} {device.UserId}{device.DeviceId}{connId}");
        return SHA256.HashData(Encoding.UTF8.GetBytes(owner))[..OwnerBytes];
    }
}
