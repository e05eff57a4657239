using System.Buffers.Text;
using System.Security.Cryptography;

namespace LocalHomeserver;

/// <summary>What a device proves itself with.</summary>
/// <param name="Access">The access token.</param>
/// <param name="Refresh">The refresh token, for a client that can use one.</param>
/// <param name="ExpiresAt">When the access token ends; null when it does not end by itself.</param>
internal sealed record Tokens(string Access, string? Refresh, DateTimeOffset? ExpiresAt)
{
    /// <summary>A token that ends by itself is only given to a client that can refresh it.</summary>
    public static Tokens New(bool canRefresh, Settings settings, TimeProvider clock) => canRefresh
        ? new Tokens(Random(), Random(), clock.GetUtcNow() + settings.AccessTokenLifetime)
        : new Tokens(Random(), null, null);

    /// <summary>For <c>expires_in_ms</c>.</summary>
    public long? LifetimeMs(Settings settings) => ExpiresAt is null ? null : (long)settings.AccessTokenLifetime.TotalMilliseconds;

    private static string Random() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
}
