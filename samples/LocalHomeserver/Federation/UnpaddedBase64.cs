namespace LocalHomeserver;

/// <summary>How Matrix writes keys and signatures: Base64 without the padding (specification, appendices).</summary>
public static class UnpaddedBase64
{
    /// <summary>Encodes.</summary>
    public static string Encode(ReadOnlySpan<byte> data) => Convert.ToBase64String(data).TrimEnd('=');

    /// <summary>Decodes, with or without padding; null when it is not Base64.</summary>
    public static byte[]? Decode(string text)
    {
        var unpadded = text.TrimEnd('=');
        var data = new byte[unpadded.Length];
        return Convert.TryFromBase64String(unpadded + new string('=', -unpadded.Length & 3), data, out var length) ? data[..length] : null;
    }
}
