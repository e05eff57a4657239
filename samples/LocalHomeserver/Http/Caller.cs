using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>
/// Who makes a request: an endpoint that has a parameter of this type needs an access token. The same
/// <see cref="IAuthResolver"/> answers as for the library's endpoint.
/// </summary>
internal sealed record Caller(Requester Requester)
{
    public string UserId => Requester.UserId;

    /// <summary>The device; an appservice that does not say which has none (R101).</summary>
    public DeviceAddress Device => new(UserId, Requester.DeviceId ?? throw Errors.MissingParam("device_id"));

    public static async ValueTask<Caller?> BindAsync(HttpContext context)
    {
        var auth = context.RequestServices.GetRequiredService<IAuthResolver>();
        var result = await auth.ResolveAsync(context, context.RequestAborted);
        if (!result.Succeeded) throw new ToDeviceErrorException(result.Error);
        return new Caller(result.Requester);
    }
}
