using System.Security.Cryptography;

namespace LocalHomeserver;

/// <summary>Tells who knows a password: for logins, and to confirm what only the user may do.</summary>
internal sealed class Passwords(IAccountStore store, UserIds userIds, Settings settings)
{
    // An unknown user's password is checked against this one, so that the answer takes as long as for a known user.
    private readonly string _nobodysHash = PasswordHash.Of("", settings.PasswordIterations);

    /// <summary>What is kept of a password.</summary>
    public string Hash(string password) => PasswordHash.Of(password, settings.PasswordIterations);

    /// <summary>What is kept of a password that nobody knows.</summary>
    public string OfNobody() => Hash(RandomNumberGenerator.GetHexString(32));

    /// <summary>The user ID; null for a wrong password and for an unknown user alike.</summary>
    public async ValueTask<string?> FindUserAsync(string user, string password, CancellationToken cancellationToken)
    {
        var userId = userIds.FromLogin(user);
        var hash = await store.FindPasswordHashAsync(userId, cancellationToken);
        return PasswordHash.IsOf(password, hash ?? _nobodysHash) && hash is not null ? userId : null;
    }
}

/// <summary>Who logs in. <c>m.id.user</c> is the only type here: there are no phone numbers or mail addresses.</summary>
internal sealed record UserIdentifier(string? Type, string? User);
