using Microsoft.AspNetCore.Http;

namespace Matrix.ToDevice;

/// <summary>As whom an appservice acts, for use in an <see cref="IAuthResolver"/> that has recognised its <c>as_token</c> (R100, R101).</summary>
public static class AppserviceAssertion
{
    private const string UnstableDeviceId = "org.matrix.msc3202.device_id";

    /// <summary>
    /// Reads <c>user_id</c> and <c>device_id</c> of the query, which count for no other requesters: without the first it is the appservice's
    /// sender, and without the second there is no device. Whether the user is registered is for the caller to look up.
    /// </summary>
    /// <param name="context">The request.</param>
    /// <param name="appservice">The appservice whose token it has.</param>
    /// <param name="directory">Is asked about the device, if the request names one.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>
    /// Who makes the request, with <see cref="Requester.IsAppservice"/>. 403 <c>M_FORBIDDEN</c> for a user whom the appservice does not
    /// cover, 400 <c>M_UNKNOWN_DEVICE</c> for a device that this user does not have, 400 <c>M_INVALID_PARAM</c> for parameters that
    /// are empty, come twice or are no user ID.
    /// </returns>
    public static async ValueTask<AuthResult> ResolveAsync(
        HttpContext context, Appservice appservice, IDeviceDirectory directory, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(appservice);
        ArgumentNullException.ThrowIfNull(directory);

        var query = context.Request.Query;
        var deviceIdName = query.ContainsKey(UnstableDeviceId) ? UnstableDeviceId : "device_id";
        if (query.ContainsKey(UnstableDeviceId) && query.ContainsKey("device_id")
            && query[UnstableDeviceId].ToString() != query["device_id"].ToString())
        {
            return Invalid($"'device_id' and '{UnstableDeviceId}' are different");
        }

        if (!TryRead(query, "user_id", out var userId)) return Invalid("'user_id' must be there once, and not be empty");
        if (!TryRead(query, deviceIdName, out var deviceId)) return Invalid($"'{deviceIdName}' must be there once, and not be empty");
        if (userId is not null && !MatrixUserId.IsPlausible(userId)) return Invalid("'user_id' must be a user ID");

        userId ??= appservice.SenderUserId;
        if (!appservice.Covers(userId)) return AuthResult.Forbidden("The appservice cannot act as this user");
        if (deviceId is null) return AuthResult.Success(Requester.WithoutDevice(userId) with { IsAppservice = true });

        var devices = (await directory.FindAsync([userId], cancellationToken))[0].DeviceIds;
        return devices.Contains(deviceId)
            ? AuthResult.Success(new Requester(userId, deviceId) { IsAppservice = true })
            : AuthResult.UnknownDevice;
    }

    private static bool TryRead(IQueryCollection query, string name, out string? value)
    {
        value = null;
        if (!query.TryGetValue(name, out var values)) return true;
        value = values.Count == 1 ? values[0] : null;
        return !string.IsNullOrEmpty(value);
    }

    private static AuthResult Invalid(string error) => AuthResult.Refused(new ToDeviceError(400, "M_INVALID_PARAM", error));
}
