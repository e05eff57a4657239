using System.Text.Json;

namespace LocalHomeserver;

/// <summary>A cross-signing key.</summary>
/// <param name="Usage">What its user signs with it: <see cref="Master"/>, <see cref="SelfSigning"/> or <see cref="UserSigning"/>.</param>
/// <param name="PublicKey">The key, which is its name as well.</param>
/// <param name="Json">All of it, in canonical form.</param>
internal sealed record CrossSigningKey(string Usage, string PublicKey, byte[] Json)
{
    /// <summary>Signs the other two, and stands for the user.</summary>
    public const string Master = "master";

    /// <summary>Signs the user's own devices.</summary>
    public const string SelfSigning = "self_signing";

    /// <summary>Signs other users' master keys; only its user gets to see it.</summary>
    public const string UserSigning = "user_signing";

    // With padding. Base64 may have white space in it, and there could be more of that than an index can hold.
    private const int MaxKeyLength = 44;

    public string KeyId => SigningKey.Algorithm + PublicKey;

    public static CrossSigningKey? Read(JsonElement? json, string usage, string userId)
    {
        if (json is not { } key) return null;

        var parameter = $"{usage}_key";
        var canonical = KeyJson.Canonical(key);
        if (KeyJson.Text(key, "user_id") != userId) throw Errors.InvalidParam($"{parameter}.user_id", "your user ID");
        if (!KeyJson.IsListOfTexts(key, "usage") || key.GetProperty("usage").EnumerateArray().All(item => item.GetString() != usage))
            throw Errors.InvalidParam($"{parameter}.usage", $"a list with '{usage}'");
        if (!KeyJson.IsMapOfTexts(key, "keys") || key.GetProperty("keys").EnumerateObject().ToList() is not [var only]
            || only.Value.GetString() is not { Length: <= MaxKeyLength } publicKey || only.Name != SigningKey.Algorithm + publicKey
            || UnpaddedBase64.Decode(publicKey)?.Length != Ed25519.KeyLength)
        {
            throw Errors.InvalidParam($"{parameter}.keys", "one Ed25519 key, under ed25519: and its own name");
        }

        if (KeyJson.Member(key, "signatures") is not null && !KeyJson.HasSignatures(key))
            throw Errors.BadJson($"'{parameter}.signatures' is not of the form of signatures");
        return new CrossSigningKey(usage, publicKey, canonical);
    }

    /// <summary>Whether it is another key than the one with its usage. The same key with other signatures is the same key.</summary>
    public bool IsChangeOf(Dictionary<string, CrossSigningKey> existing) =>
        !existing.TryGetValue(Usage, out var before) || before.PublicKey != PublicKey;

    /// <summary>Whether it has a signature with another key of the same user, and the signature is right.</summary>
    public bool IsSignedBy(CrossSigningKey other, string userId) =>
        SignedJson.IsSigned(JsonElement.Parse(Json), userId, other.KeyId, UnpaddedBase64.Decode(other.PublicKey));
}
