using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace Matrix.ToDevice;

/// <summary>
/// Text as the tables hold it. A client may choose any device ID and event type (D2), but PostgreSQL's text knows no NUL, and
/// its index no long keys: what it cannot hold is escaped, so that no device can make the sends to it fail.
/// </summary>
internal static class PostgreSqlText
{
    /// <summary>In the place of a device ID, for a requester that has none.</summary>
    public const string NoDevice = "\u0001-";

    /// <summary>In the place of a device ID, for an EDU from another server.</summary>
    public const string OtherServer = "\u0001=";

    /// <summary>
    /// In the place of a user ID, for a record without a device that came from a store that does not know whose it is: the key has it.
    /// </summary>
    public const string Nobody = "";

    /// <summary><see cref="OtherServer"/> as SQL, letter for letter as the indexes by age have it.</summary>
    public const string OtherServerSql = @"E'\x01='";

    // Two of them fit into a third of an index page.
    private const int MaxKeyChars = 300;

    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private static readonly SearchValues<char> s_escaped = SearchValues.Create("\0\u0001");

    public static string Escape(string text) => !text.AsSpan().ContainsAny(s_escaped)
        ? text
        : text.Replace("\u0001", "\u00011", StringComparison.Ordinal).Replace("\0", "\u00010", StringComparison.Ordinal);

    public static string Unescape(string text) => !text.Contains('\u0001')
        ? text
        : text.Replace("\u00010", "\0", StringComparison.Ordinal).Replace("\u00011", "\u0001", StringComparison.Ordinal);

    /// <summary>For what is looked up and never read back.</summary>
    public static string Key(string text) => text.Length <= MaxKeyChars
        ? Escape(text)
        : "\u0001#" + Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    /// <summary>
    /// Looks at a text before it waits for a commit that others share, and before it names a device: half of a surrogate pair has no
    /// form in UTF-8, and with something else in its place it would be another text's.
    /// </summary>
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

    /// <summary>The same for a name that no client chooses: it is stored, and looked up, as it is.</summary>
    /// <exception cref="ArgumentException">The text is none, has a NUL, or is too long for an index.</exception>
    public static void CheckName(string text, string what)
    {
        Check(text, what);
        if (text.Length > MaxKeyChars || text.Contains('\0'))
            throw new ArgumentException($"It has a NUL, or more than {MaxKeyChars} characters, and cannot be stored.", what);
    }
}
