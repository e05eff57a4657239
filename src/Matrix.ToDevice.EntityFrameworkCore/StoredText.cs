using System.Text;

namespace Matrix.ToDevice;

/// <summary>Texts as the tables have them: their UTF-8.</summary>
internal static class StoredText
{
    // Twice as many letters have to fit into an index of every database.
    public const int MaxDestinationBytes = 300;

    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>
    /// Looks at a text before it names something: half of a surrogate pair has no form in UTF-8, and with something else in its
    /// place it would be another text's.
    /// </summary>
    /// <exception cref="ArgumentException">The text is none.</exception>
    public static void Check(string text, string what) => CountBytes(text, what);

    public static byte[] ToBytes(string text) => s_utf8.GetBytes(text);

    public static string FromBytes(byte[] bytes) => s_utf8.GetString(bytes);

    /// <summary>
    /// A destination, as the hexadecimal digits of its UTF-8: they have the order of its bytes, whatever order and likeness of
    /// letters a database knows.
    /// </summary>
    /// <exception cref="ArgumentException">It is no text, or too long for an index.</exception>
    public static string Destination(string destination)
    {
        if (CountBytes(destination, nameof(destination)) > MaxDestinationBytes)
            throw new ArgumentException($"It has more than {MaxDestinationBytes} bytes, and cannot be stored.", nameof(destination));
        return Convert.ToHexString(ToBytes(destination));
    }

    public static string FromDestination(string stored) => FromBytes(Convert.FromHexString(stored));

    private static int CountBytes(string text, string what)
    {
        ArgumentNullException.ThrowIfNull(text, what);
        try
        {
            return s_utf8.GetByteCount(text);
        }
        catch (EncoderFallbackException exception)
        {
            throw new ArgumentException("Half of a surrogate pair is no text, and cannot be stored.", what, exception);
        }
    }
}
