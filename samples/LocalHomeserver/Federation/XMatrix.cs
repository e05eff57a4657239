using System.Buffers;
using System.Text.Json;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>
/// The Authorization header with which a server signs a request (specification, server-server API, "Request
/// Authentication").
/// </summary>
/// <param name="Origin">The server that makes the request.</param>
/// <param name="Destination">The server that it is for; older servers do not say it.</param>
/// <param name="Key">The identifier of the key.</param>
/// <param name="Signature">The signature, in Base64.</param>
public sealed record XMatrix(string Origin, string? Destination, string Key, string Signature)
{
    private const string Scheme = "X-Matrix";

    // What a value without quotes may consist of: the characters of a token, and for older servers the colon.
    private const string TokenCharacters = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    private static readonly SearchValues<char> s_token = SearchValues.Create(TokenCharacters);
    private static readonly SearchValues<char> s_unquoted = SearchValues.Create(TokenCharacters + ":");

    /// <summary>Signs a request.</summary>
    /// <param name="origin">The server that makes it.</param>
    /// <param name="destination">The server that it is for.</param>
    /// <param name="key">A key of the origin.</param>
    /// <param name="method">The HTTP method.</param>
    /// <param name="uri">The path with the query, as it is in the request line.</param>
    /// <param name="content">The body as it is going to be sent, in canonical form; empty when there is none.</param>
    public static XMatrix Sign(string origin, string destination, SigningKey key, string method, string uri, ReadOnlySpan<byte> content) =>
        new(origin, destination, key.KeyId, key.Sign(SignedPart(origin, destination, method, uri, content)));

    /// <summary>
    /// Whether the signature is the origin's for this request, on this server: over the numbers as they were written, since not every
    /// server refuses what has no canonical form; or else over the canonical form, for one that has sent another than it has signed (D20).
    /// </summary>
    /// <param name="publicKey">The origin's key.</param>
    /// <param name="destination">This server.</param>
    /// <param name="method">The HTTP method.</param>
    /// <param name="uri">The path with the query, as it is in the request line.</param>
    /// <param name="body">The body as it came; empty when there is none.</param>
    /// <exception cref="JsonException">The body is not JSON.</exception>
    public bool IsSigned(ReadOnlySpan<byte> publicKey, string destination, string method, string uri, ReadOnlySpan<byte> body)
    {
        if (UnpaddedBase64.Decode(Signature) is not { } signature) return false;

        var asWritten = body.IsEmpty ? [] : CanonicalJson.EncodeAsWritten(body);
        if (Ed25519.Verify(publicKey, SignedPart(Origin, destination, method, uri, asWritten), signature)) return true;
        try
        {
            var canonical = body.IsEmpty ? [] : CanonicalJson.Encode(asWritten);
            return !canonical.AsSpan().SequenceEqual(asWritten)
                && Ed25519.Verify(publicKey, SignedPart(Origin, destination, method, uri, canonical), signature);
        }
        catch (CanonicalJsonException)
        {
            return false;
        }
    }

    /// <summary>The header's value. None of the values needs a backslash, which older servers would not understand.</summary>
    public override string ToString() =>
        $"{Scheme} origin=\"{Origin}\",destination=\"{Destination}\",key=\"{Key}\",sig=\"{Signature}\"";

    /// <summary>Reads a header's value; null when it is not of the form that RFC 7235 and the specification give it.</summary>
    public static XMatrix? Parse(string header)
    {
        if (!header.StartsWith(Scheme + " ", StringComparison.OrdinalIgnoreCase)) return null;

        var values = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        var rest = header.AsSpan(Scheme.Length).Trim(' ');
        while (true)
        {
            // Empty elements of a list are passed over.
            rest = rest.TrimStart(" \t,");
            if (rest.IsEmpty) break;

            var name = Take(ref rest, s_token);
            rest = rest.TrimStart(" \t");
            if (name.IsEmpty || rest is not ['=', ..]) return null;
            rest = rest[1..].TrimStart(" \t");

            var value = rest is ['"', ..] ? TakeQuoted(ref rest) : Take(ref rest, s_unquoted).ToString();
            if (value is null or "" || !values.TryAdd(name.ToString(), value)) return null;

            rest = rest.TrimStart(" \t");
            if (rest is not ([] or [',', ..])) return null;
        }

        return values.TryGetValue("origin", out var origin) && values.TryGetValue("key", out var key)
            && values.TryGetValue("sig", out var signature)
            ? new XMatrix(origin, values.GetValueOrDefault("destination"), key, signature)
            : null;
    }

    private static ReadOnlySpan<char> Take(ref ReadOnlySpan<char> rest, SearchValues<char> allowed)
    {
        var length = rest.IndexOfAnyExcept(allowed) is var end and >= 0 ? end : rest.Length;
        var taken = rest[..length];
        rest = rest[length..];
        return taken;
    }

    private static string? TakeQuoted(ref ReadOnlySpan<char> rest)
    {
        var value = new ArrayBufferWriter<char>();
        for (var i = 1; i < rest.Length; i++)
        {
            if (rest[i] == '"')
            {
                rest = rest[(i + 1)..];
                return value.WrittenSpan.ToString();
            }

            if (rest[i] == '\\' && ++i == rest.Length) break;
            if (char.IsControl(rest[i]) && rest[i] != '\t') break;
            value.Write(rest.Slice(i, 1));
        }

        return null;
    }

    // Canonical JSON: "content" comes before the others.
    private static ReadOnlySpan<byte> SignedPart(string origin, string destination, string method, string uri, ReadOnlySpan<byte> content)
    {
        var others = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(others))
        {
            json.WriteStartObject();
            json.WriteString("destination"u8, destination);
            json.WriteString("method"u8, method);
            json.WriteString("origin"u8, origin);
            json.WriteString("uri"u8, uri);
            json.WriteEndObject();
        }

        var signed = new ArrayBufferWriter<byte>();
        signed.Write("{"u8);
        if (!content.IsEmpty)
        {
            signed.Write("\"content\":"u8);
            signed.Write(content);
            signed.Write(","u8);
        }

        signed.Write(CanonicalJson.Encode(others.WrittenSpan).AsSpan(1));
        return signed.WrittenSpan;
    }
}
