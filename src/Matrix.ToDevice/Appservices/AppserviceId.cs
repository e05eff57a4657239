using System.Text;

namespace Matrix.ToDevice;

/// <summary>What an appservice's ID may be: it names a row in every store.</summary>
internal static class AppserviceId
{
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static bool IsUsable(string id, int maxBytes)
    {
        try
        {
            return s_utf8.GetByteCount(id) <= maxBytes && !id.Any(char.IsControl);
        }
        catch (EncoderFallbackException)
        {
            return false;
        }
    }
}
