using System.Security.Cryptography;

namespace LocalHomeserver;

/// <summary>The user IDs of this server, and of those that it talks to.</summary>
internal sealed class UserIds(Settings settings)
{
    private const string Letters = "abcdefghijklmnopqrstuvwxyz";
    private const string Digits = "0123456789";

    /// <summary>The user ID for a new user's name; null when the specification's grammar does not allow it.</summary>
    public string? FromUsername(string username)
    {
        var localpart = InLowerCase(username);
        var userId = FromLocalpart(localpart);
        return localpart.Length == 0 || userId.Length > 255 || localpart.AsSpan().ContainsAnyExcept(Letters + Digits + "._=/+-")
            ? null
            : userId;
    }

    /// <summary>For a user who does not care.</summary>
    public string Random() => FromLocalpart(RandomNumberGenerator.GetString(Letters, 16));

    /// <summary>
    /// Logins name a user by the full user ID or by its localpart, and keyboards begin it with a capital: users of this server have none.
    /// </summary>
    public string FromLogin(string user)
    {
        if (!user.StartsWith('@')) return FromLocalpart(InLowerCase(user));
        var localpart = user.Split(':')[0];
        return InLowerCase(localpart) + user[localpart.Length..];
    }

    /// <summary>Whether the user would be one of this server.</summary>
    public bool IsOwn(string userId) => ServerNameOf(userId) == settings.ServerName;

    /// <summary>Whether the user is one of a configured peer's: what follows the first colon is a server name.</summary>
    public bool IsOfPeer(string userId) =>
        settings.Peers.ContainsKey(userId[(userId.IndexOf(':', StringComparison.Ordinal) + 1)..]);

    /// <summary>The server of a user ID; null when it is none.</summary>
    public static string? ServerNameOf(string userId) =>
        userId.StartsWith('@') && userId.IndexOf(':', StringComparison.Ordinal) is >= 0 and var colon ? userId[(colon + 1)..] : null;

    // What has case beyond ASCII is in no user name, and must not become what is.
    private static string InLowerCase(string localpart) =>
        string.Concat(localpart.Select(letter => char.IsAsciiLetterUpper(letter) ? char.ToLowerInvariant(letter) : letter));

    private string FromLocalpart(string localpart) => $"@{localpart}:{settings.ServerName}";
}
