using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>
/// The device that makes a request: an endpoint that has a parameter of this type needs an access token. The same
/// <see cref="IAuthResolver"/> answers as for the library's endpoint.
/// </summary>
internal sealed record Caller(DeviceAddress Device)
{
    public string UserId => Device.UserId;

    public static async ValueTask<Caller?> BindAsync(HttpContext context)
    {
        var auth = context.RequestServices.GetRequiredService<IAuthResolver>();
        var result = await auth.ResolveAsync(context, context.RequestAborted);
        if (!result.Succeeded) throw new ToDeviceErrorException(result.Error);
        return new Caller(new DeviceAddress(result.Requester.UserId, result.Requester.DeviceId!));
    }
}
