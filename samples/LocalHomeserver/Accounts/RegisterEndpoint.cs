namespace LocalHomeserver;

/// <summary><c>POST register</c>: anyone can.</summary>
internal static class RegisterEndpoint
{
    public static void MapRegister(this IEndpointRouteBuilder client) => client.MapPost("/register", RegisterAsync);

    private static async Task<LoginResponse> RegisterAsync(
        string? kind,
        Body<RegisterRequest> body,
        HttpContext context,
        UserIds userIds,
        Passwords passwords,
        IAccountStore store,
        DeviceLives devices,
        Registrations appservices,
        CancellationToken cancellationToken)
    {
        if (kind == "guest") throw Errors.New(403, "M_GUEST_ACCESS_FORBIDDEN", "There are no guests here");
        if (kind is not (null or "user")) throw Errors.InvalidParam("kind", "user or guest");

        // What is wrong with the name is said before the client authenticates: the specification requires it.
        var request = body.Value;
        var userId = request.Username is null ? userIds.Random() : userIds.FromUsername(request.Username)
            ?? throw Errors.New(400, "M_INVALID_USERNAME", "A user name has the characters a-z 0-9 . _ = / + - and not too many");
        var isByAppservice = request.Type == AppserviceRegister.Type;
        if (!isByAppservice && appservices.IsOwned(userId)) throw Errors.Exclusive("This user name is an appservice's");
        if (await store.FindPasswordHashAsync(userId, cancellationToken) is not null) throw Errors.UserInUse();
        request.CheckDeviceId();

        if (isByAppservice)
        {
            await AppserviceRegister.AddUserAsync(context, request, userId, appservices, cancellationToken);
        }
        else
        {
            UserInteractiveAuth.RequireDummy(request.Auth);
            var password = request.Password ?? throw Errors.MissingParam("password");
            if (!await store.AddUserAsync(userId, passwords.Hash(password), cancellationToken)) throw Errors.UserInUse();
        }

        return request.InhibitLogin == true
            ? new LoginResponse(userId)
            : await devices.BeginAsync(userId, request, context.Connection, cancellationToken);
    }
}

internal sealed record RegisterRequest(
    string? Type,
    AuthData? Auth,
    string? Username,
    string? Password,
    bool? InhibitLogin,
    string? DeviceId,
    string? InitialDeviceDisplayName,
    bool? RefreshToken) : ILoginRequest;
