namespace Matrix.ToDevice;

/// <summary>
/// Which numbers of JSON are integers of canonical JSON: those whose value is one that every JSON library keeps exactly, however it is
/// written (D20). Decided on the digits: a binary number would round.
/// </summary>
internal static class CanonicalNumber
{
    private const long MaxInteger = (1L << 53) - 1;
    private const int MaxDigits = 16;

    // Further from zero than any text has digits.
    private const long EndlessExponent = 1L << 40;

    /// <summary>The integer; false when the number is not whole, or beyond ±(2^53 − 1).</summary>
    /// <param name="number">A number of valid JSON.</param>
    /// <param name="integer">The integer.</param>
    public static bool TryGetInteger(ReadOnlySpan<byte> number, out long integer)
    {
        integer = 0;
        var isNegative = number[0] == '-';
        var exponentAt = number.IndexOfAny((byte)'e', (byte)'E');
        var digits = number[(isNegative ? 1 : 0)..(exponentAt < 0 ? number.Length : exponentAt)];
        var exponent = exponentAt < 0 ? 0 : ExponentOf(number[(exponentAt + 1)..]);
        if (digits.IndexOf((byte)'.') is var point and >= 0) exponent -= digits.Length - point - 1;

        // The digits from the first to the last that is not 0. With more of them than the largest integer has, and none to spare, the
        // number is too large or a fraction.
        long significant = 0;
        var length = 0;
        var zeros = 0;
        foreach (var digit in digits)
        {
            if (digit == '.') continue;
            if (digit == '0')
            {
                zeros++;
                continue;
            }

            if (length > 0) length += zeros;
            if (++length > MaxDigits) return false;
            for (; significant > 0 && zeros > 0; zeros--) significant *= 10;
            significant = (significant * 10) + (digit - '0');
            zeros = 0;
        }

        if (significant == 0) return true;

        exponent += zeros;
        if (exponent < 0 || length + exponent > MaxDigits) return false;
        for (; exponent > 0; exponent--) significant *= 10;
        integer = isNegative ? -significant : significant;
        return significant <= MaxInteger;
    }

    private static long ExponentOf(ReadOnlySpan<byte> text)
    {
        long exponent = 0;
        foreach (var digit in text.TrimStart("+-"u8)) exponent = Math.Min((exponent * 10) + (digit - '0'), EndlessExponent);
        return text[0] == '-' ? -exponent : exponent;
    }
}
