using System.Text;

namespace Matrix.ToDevice;

/// <summary>
/// Looks at texts before they wait for a commit that others share, and before they name a device: half of a surrogate pair has no
/// form in UTF-8, and with something else in its place it would be another text's.
/// </summary>
internal static class SqliteText
{
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <exception cref="ArgumentException">The text is none.</exception>
    public static void Check(string text, string what)
    {
        ArgumentNullException.ThrowIfNull(text, what);
        try
        {
            s_utf8.GetByteCount(text);
        }
        catch (EncoderFallbackException exception)
        {
            throw new ArgumentException("Half of a surrogate pair is no text, and cannot be stored.", what, exception);
        }
    }

    /// <inheritdoc cref="Check(string, string)"/>
    public static void Check(DeviceAddress device)
    {
        Check(device.UserId, nameof(device.UserId));
        Check(device.DeviceId, nameof(device.DeviceId));
    }
}
