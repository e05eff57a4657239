using System.Buffers;
using System.Text.Json;

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
    /// <param name="content">The body, if there is one.</param>
    /// <exception cref="CanonicalJsonException">The body has no canonical form.</exception>
    public static XMatrix Sign(string origin, string destination, SigningKey key, string method, string uri, JsonElement? content) =>
        new(origin, destination, key.KeyId, key.Sign(SignedPart(origin, destination, method, uri, content)));

    /// <summary>Whether the signature is the origin's for this request, on this server.</summary>
    /// <exception cref="CanonicalJsonException">The body has no canonical form.</exception>
    public bool IsSigned(ReadOnlySpan<byte> publicKey, string destination, string method, string uri, JsonElement? content) =>
        UnpaddedBase64.Decode(Signature) is { } signature
        && Ed25519.Verify(publicKey, SignedPart(Origin, destination, method, uri, content), signature);

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

    // Canonical JSON: the keys are in order.
    private static ReadOnlySpan<byte> SignedPart(string origin, string destination, string method, string uri, JsonElement? content)
    {
        var json = new ArrayBufferWriter<byte>();
        json.Write("{"u8);
        if (content is not null)
        {
            json.Write("\"content\":"u8);
            json.Write(CanonicalJson.Encode(content.Value));
            json.Write(","u8);
        }

        json.Write("\"destination\":"u8);
        CanonicalJson.WriteString(json, destination);
        json.Write(",\"method\":"u8);
        CanonicalJson.WriteString(json, method);
        json.Write(",\"origin\":"u8);
        CanonicalJson.WriteString(json, origin);
        json.Write(",\"uri\":"u8);
        CanonicalJson.WriteString(json, uri);
        json.Write("}"u8);
        return json.WrittenSpan;
    }
}
