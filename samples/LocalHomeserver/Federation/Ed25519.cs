using System.Security.Cryptography;

namespace LocalHomeserver;

/// <summary>Signatures as RFC 8032 defines them: a seed and a public key of 32 bytes, signatures of 64.</summary>
public static class Ed25519
{
    /// <summary>The length of a seed and of a public key, in bytes.</summary>
    public const int KeyLength = 32;

    /// <summary>The length of a signature, in bytes.</summary>
    public const int SignatureLength = 64;

    /// <summary>The public key that belongs to a seed.</summary>
    public static byte[] PublicKey(ReadOnlySpan<byte> seed)
    {
        using var key = PrivateKey(seed);
        var publicKey = new byte[KeyLength];
        var length = (nuint)publicKey.Length;
        Check(LibCrypto.GetPublicKey(key, publicKey, ref length) == 1 && length == KeyLength);
        return publicKey;
    }

    /// <summary>Signs.</summary>
    public static byte[] Sign(ReadOnlySpan<byte> seed, ReadOnlySpan<byte> data)
    {
        using var key = PrivateKey(seed);
        using var context = NewContext();
        Check(LibCrypto.SignInit(context, 0, 0, 0, key) == 1);
        var signature = new byte[SignatureLength];
        var length = (nuint)signature.Length;
        Check(LibCrypto.Sign(context, signature, ref length, data, (nuint)data.Length) == 1 && length == SignatureLength);
        return signature;
    }

    /// <summary>Whether a signature of data is one of the key's owner; false for what cannot be a key or a signature, too.</summary>
    public static bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        if (publicKey.Length != KeyLength || signature.Length != SignatureLength) return false;

        using var key = LibCrypto.NewPublicKey(LibCrypto.Ed25519, 0, publicKey, KeyLength);
        Check(!key.IsInvalid);
        using var context = NewContext();
        Check(LibCrypto.VerifyInit(context, 0, 0, 0, key) == 1);
        var isValid = LibCrypto.Verify(context, signature, SignatureLength, data, (nuint)data.Length) == 1;
        if (!isValid) LibCrypto.ClearErrors();
        return isValid;
    }

    private static LibCrypto.Key PrivateKey(ReadOnlySpan<byte> seed)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(seed.Length, KeyLength);
        var key = LibCrypto.NewPrivateKey(LibCrypto.Ed25519, 0, seed, KeyLength);
        Check(!key.IsInvalid);
        return key;
    }

    private static LibCrypto.Context NewContext()
    {
        var context = LibCrypto.NewContext();
        Check(!context.IsInvalid);
        return context;
    }

    private static void Check(bool succeeded)
    {
        if (succeeded) return;
        LibCrypto.ClearErrors();
        throw new CryptographicException("libcrypto could not do Ed25519.");
    }
}
