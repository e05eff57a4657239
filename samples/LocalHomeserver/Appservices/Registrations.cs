using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>The appservices of this server.</summary>
internal sealed class Registrations(Settings settings, AccountDirectory directory, Passwords passwords, IAccountStore store)
{
    /// <summary>Whose token it is; null for nobody's.</summary>
    public Registration? FindByToken(string token) => settings.Appservices.FirstOrDefault(registration => registration.AsToken == token);

    /// <summary>Whether the user is some appservice's alone.</summary>
    public bool IsOwned(string userId) => settings.Appservices.Any(registration => registration.Appservice.Owns(userId));

    // <appservice-auth>
    /// <summary>As whom an appservice makes a request (R100, R101).</summary>
    public async ValueTask<AuthResult> ResolveAsync(HttpContext context, Registration registration, CancellationToken cancellationToken)
    {
        var result = await AppserviceAssertion.ResolveAsync(context, registration.Appservice, directory, cancellationToken);
        if (result.Requester is not { UserId: var userId }) return result;
        if (await store.FindPasswordHashAsync(userId, cancellationToken) is not null) return result;

        // Its sender is there without being registered.
        if (userId != registration.Appservice.SenderUserId) return AuthResult.Forbidden("The appservice has not registered this user");
        await AddUserAsync(userId, cancellationToken);
        return result;
    }
    // </appservice-auth>

    /// <summary>Adds a user with whom nobody can log in; false when the user ID is taken.</summary>
    public ValueTask<bool> AddUserAsync(string userId, CancellationToken cancellationToken) =>
        store.AddUserAsync(userId, passwords.OfNobody(), cancellationToken);
}
