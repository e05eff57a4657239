namespace LocalHomeserver;

/// <summary><c>GET</c> and <c>POST login</c>, and <c>GET account/whoami</c>.</summary>
internal static class LoginEndpoints
{
    private static readonly LoginFlows s_flows = new([new LoginFlow(UserInteractiveAuth.Password)]);

    public static void MapLogin(this IEndpointRouteBuilder client)
    {
        client.MapGet("/login", () => s_flows);
        client.MapPost("/login", LoginAsync);
        client.MapGet("/account/whoami", (Caller caller) => new WhoAmIResponse(caller.UserId, caller.Requester.DeviceId, IsGuest: false));
    }

    private static async Task<LoginResponse> LoginAsync(
        Body<LoginRequest> body, HttpContext context, Passwords passwords, DeviceLives devices, CancellationToken cancellationToken)
    {
        var request = body.Value;
        if (request.Type is null) throw Errors.MissingParam("type");
        if (request.Type != UserInteractiveAuth.Password) throw Errors.New(400, "M_UNKNOWN", "The login type can be m.login.password");
        if (request.Identifier is { Type: not "m.id.user" }) throw Errors.New(400, "M_UNKNOWN", "The identifier type can be m.id.user");

        // 'user' at the top level is what clients sent before there were identifiers.
        var user = request.Identifier?.User ?? request.User ?? throw Errors.MissingParam("identifier.user");
        var password = request.Password ?? throw Errors.MissingParam("password");
        request.CheckDeviceId();

        var userId = await passwords.FindUserAsync(user, password, cancellationToken)
            ?? throw Errors.Forbidden("Wrong user or password");
        return await devices.BeginAsync(userId, request, context.Connection, cancellationToken);
    }
}

internal sealed record LoginFlows(LoginFlow[] Flows);

internal sealed record LoginFlow(string Type);

internal sealed record LoginRequest(
    string? Type,
    UserIdentifier? Identifier,
    string? User,
    string? Password,
    string? DeviceId,
    string? InitialDeviceDisplayName,
    bool? RefreshToken) : ILoginRequest;

/// <summary>The answer to a login, and to a registration, which can do without the login.</summary>
internal sealed record LoginResponse(
    string UserId, string? DeviceId = null, string? AccessToken = null, string? RefreshToken = null, long? ExpiresInMs = null);

internal sealed record WhoAmIResponse(string UserId, string? DeviceId, bool IsGuest);
