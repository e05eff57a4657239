using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary><c>POST register</c> with the type <c>m.login.application_service</c>: an appservice adds one of its users.</summary>
internal static class AppserviceRegister
{
    public const string Type = "m.login.application_service";

    public static async ValueTask AddUserAsync(
        HttpContext context, RegisterRequest request, string userId, Registrations registrations, CancellationToken cancellationToken)
    {
        if (MatrixAccessToken.Read(context) is not { } token) throw new ToDeviceErrorException(AuthResult.MissingToken.Error!);
        if (registrations.FindByToken(token) is not { } registration) throw new ToDeviceErrorException(AuthResult.UnknownToken().Error!);
        if (request.Username is null) throw Errors.MissingParam("username");
        if (!registration.Appservice.Covers(userId)) throw Errors.Exclusive("The user name is in none of the appservice's namespaces");
        if (registrations.IsOwned(userId) && !registration.Appservice.Owns(userId)) throw Errors.Exclusive("This user name is another appservice's");
        if (registration.ManagesDevices && request.InhibitLogin != true)
            throw Errors.New(400, "M_APPSERVICE_LOGIN_UNSUPPORTED", "The appservice makes devices by itself: 'inhibit_login' must be true");
        if (!await registrations.AddUserAsync(userId, cancellationToken)) throw Errors.UserInUse();
    }
}
