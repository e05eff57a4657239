using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace LocalHomeserver;

/// <summary>
/// The one form of a JSON value that is signed (specification, appendices, "Canonical JSON"): no white space, the shortest
/// escapes, keys in the order of their code points, and of the numbers only integers that every JSON library keeps exactly.
/// </summary>
public static class CanonicalJson
{
    /// <summary>How deep a value may be nested: deeper than any client's message, and no danger to the stack.</summary>
    public const int MaxDepth = 512;

    private const long MaxInteger = (1L << 53) - 1;

    // Half a surrogate pair has no form in UTF-8.
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Encodes a value.</summary>
    /// <exception cref="CanonicalJsonException">It holds something that has no canonical form.</exception>
    public static byte[] Encode(JsonElement value)
    {
        var json = new ArrayBufferWriter<byte>();
        Write(json, value);
        return json.WrittenSpan.ToArray();
    }

    /// <summary>Encodes an object without its keys <c>signatures</c> and <c>unsigned</c>, which no signature covers.</summary>
    /// <exception cref="CanonicalJsonException">It holds something that has no canonical form.</exception>
    public static byte[] EncodeSigned(JsonElement value)
    {
        var json = new ArrayBufferWriter<byte>();
        WriteObject(json, value, key => !key.SequenceEqual("signatures"u8) && !key.SequenceEqual("unsigned"u8));
        return json.WrittenSpan.ToArray();
    }

    internal static void WriteString(IBufferWriter<byte> json, string value) => WriteString(json, Utf8(() => value));

    private static void Write(IBufferWriter<byte> json, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                WriteObject(json, value, _ => true);
                break;
            case JsonValueKind.Array:
                json.Write("["u8);
                var first = true;
                foreach (var item in value.EnumerateArray())
                {
                    if (!first) json.Write(","u8);
                    first = false;
                    Write(json, item);
                }

                json.Write("]"u8);
                break;
            case JsonValueKind.String:
                WriteString(json, Utf8(() => value.GetString()!));
                break;
            case JsonValueKind.Number:
                json.Write(Encoding.ASCII.GetBytes(Integer(value.GetRawText()).ToString(CultureInfo.InvariantCulture)));
                break;
            default:
                json.Write(Encoding.ASCII.GetBytes(value.GetRawText()));
                break;
        }
    }

    private static void WriteObject(IBufferWriter<byte> json, JsonElement value, Func<byte[], bool> include)
    {
        var members = value.EnumerateObject().Select(member => (Key: Utf8(() => member.Name), member.Value)).ToList();

        // The order of UTF-8's bytes is the order of code points; that of .NET's strings is not.
        members.Sort((a, b) => a.Key.AsSpan().SequenceCompareTo(b.Key));

        json.Write("{"u8);
        var first = true;
        for (var i = 0; i < members.Count; i++)
        {
            // Readers differ in which of the two they take: one would be signed, the other one read.
            if (i > 0 && members[i].Key.AsSpan().SequenceEqual(members[i - 1].Key))
                throw new CanonicalJsonException("A key is there twice.");
            if (!include(members[i].Key)) continue;

            if (!first) json.Write(","u8);
            first = false;
            WriteString(json, members[i].Key);
            json.Write(":"u8);
            Write(json, members[i].Value);
        }

        json.Write("}"u8);
    }

    private static void WriteString(IBufferWriter<byte> json, ReadOnlySpan<byte> utf8)
    {
        json.Write("\""u8);
        for (var rest = utf8; !rest.IsEmpty;)
        {
            var plain = rest.IndexOfAnyInRange((byte)0, (byte)0x1f) is var control and >= 0 ? control : rest.Length;
            if (rest[..plain].IndexOfAny((byte)'"', (byte)'\\') is var escape and >= 0) plain = escape;
            json.Write(rest[..plain]);
            if (plain == rest.Length) break;

            json.Write(rest[plain] switch
            {
                (byte)'"' => "\\\""u8,
                (byte)'\\' => "\\\\"u8,
                (byte)'\b' => "\\b"u8,
                (byte)'\f' => "\\f"u8,
                (byte)'\n' => "\\n"u8,
                (byte)'\r' => "\\r"u8,
                (byte)'\t' => "\\t"u8,
                var other => Encoding.ASCII.GetBytes($"\\u{other:x4}"),
            });
            rest = rest[(plain + 1)..];
        }

        json.Write("\""u8);
    }

    // -0 and 1e10 are integers in another form, as the specification's examples show. What has a point or a negative
    // exponent is a float even where its value is whole.
    private static long Integer(string number)
    {
        var isInteger = !number.Contains('.', StringComparison.Ordinal)
            && !number.Contains("e-", StringComparison.OrdinalIgnoreCase);
        return isInteger
            && decimal.TryParse(number, NumberStyles.AllowLeadingSign | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out var value)
            && Math.Abs(value) <= MaxInteger
            ? (long)value
            : throw new CanonicalJsonException("A number is not an integer between -(2^53)+1 and (2^53)-1.");
    }

    private static byte[] Utf8(Func<string> text)
    {
        try
        {
            return s_utf8.GetBytes(text());
        }
        catch (Exception e) when (e is InvalidOperationException or EncoderFallbackException)
        {
            throw new CanonicalJsonException("A string is not Unicode.");
        }
    }
}

/// <summary>A JSON value has no canonical form, so that it can be neither signed nor verified.</summary>
public sealed class CanonicalJsonException(string message) : Exception(message);
