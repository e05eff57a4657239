using System.Security.Cryptography;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>
/// The specification's user-interactive authentication: a request that needs it is answered 401 with the flows to choose
/// from, and is sent again with <c>auth</c>. The flows here have one stage, so there is nothing to remember in between.
/// </summary>
internal static class UserInteractiveAuth
{
    private const string Dummy = "m.login.dummy";
    public const string Password = "m.login.password";

    /// <summary>Asks for a second request and nothing else.</summary>
    public static void RequireDummy(AuthData? auth) => RequireStage(auth, Dummy);

    /// <summary>Asks for the caller's password; an appservice's users have none (MSC4190).</summary>
    public static async ValueTask RequirePasswordAsync(
        AuthData? auth, Caller caller, Passwords passwords, CancellationToken cancellationToken)
    {
        if (caller.Requester.IsAppservice) return;
        RequireStage(auth, Password);
        var user = auth?.Identifier?.User ?? auth?.User ?? throw Errors.MissingParam("auth.identifier.user");
        var password = auth.Password ?? throw Errors.MissingParam("auth.password");
        if (await passwords.FindUserAsync(user, password, cancellationToken) != caller.UserId)
            throw Challenge(auth, Password, new ToDeviceError(401, "M_FORBIDDEN", "Wrong user or password"));
    }

    private static void RequireStage(AuthData? auth, string stage)
    {
        if (auth?.Type is null) throw Challenge(auth, stage, null);
        if (auth.Type != stage) throw Challenge(auth, stage, new ToDeviceError(401, "M_UNRECOGNIZED", "This is not one of the flows"));
    }

    private static AuthenticationRequiredException Challenge(AuthData? auth, string stage, ToDeviceError? failure) =>
        new(new AuthenticationFlows(
            auth?.Session ?? RandomNumberGenerator.GetHexString(16),
            [new AuthenticationFlow([stage])],
            new EmptyObject(),
            failure?.ErrorCode,
            failure?.Error));
}

/// <summary>The request is not authenticated enough yet.</summary>
internal sealed class AuthenticationRequiredException(AuthenticationFlows flows) : Exception
{
    public Task WriteAsync(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status401Unauthorized;
        return context.Response.WriteAsJsonAsync(flows, MatrixJson.Default.AuthenticationFlows);
    }
}

/// <summary>A client's part: <c>auth</c> in the request.</summary>
internal sealed record AuthData(string? Type, string? Session, UserIdentifier? Identifier, string? User, string? Password);

/// <summary>The server's part: the 401.</summary>
internal sealed record AuthenticationFlows(string Session, AuthenticationFlow[] Flows, EmptyObject Params, string? Errcode, string? Error);

internal sealed record AuthenticationFlow(string[] Stages);
