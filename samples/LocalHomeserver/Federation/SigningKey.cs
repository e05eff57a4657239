using System.Security.Cryptography;

namespace LocalHomeserver;

/// <summary>A key with which a server signs.</summary>
/// <param name="KeyId">The signing key identifier, such as <c>ed25519:a1b2c3</c>.</param>
/// <param name="Seed">Its secret.</param>
public sealed record SigningKey(string KeyId, ReadOnlyMemory<byte> Seed)
{
    /// <summary>What the identifier of every key begins with that this server makes or understands.</summary>
    public const string Algorithm = "ed25519:";

    /// <summary>A new key. Its identifier is new as well: peers look keys up by it, and may still know the one before.</summary>
    public static SigningKey New() => new(
        Algorithm + RandomNumberGenerator.GetHexString(8, lowercase: true), RandomNumberGenerator.GetBytes(Ed25519.KeyLength));

    /// <summary>Signs; in Base64.</summary>
    public string Sign(ReadOnlySpan<byte> data) => UnpaddedBase64.Encode(Ed25519.Sign(Seed.Span, data));

    /// <summary>What peers verify signatures with; in Base64.</summary>
    public string PublicKey() => UnpaddedBase64.Encode(Ed25519.PublicKey(Seed.Span));

    /// <summary>The secret does not get into a log.</summary>
    public override string ToString() => KeyId;
}
