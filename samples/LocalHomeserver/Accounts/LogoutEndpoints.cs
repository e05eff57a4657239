namespace LocalHomeserver;

/// <summary><c>POST logout</c> and <c>POST logout/all</c>: both end devices, not just tokens (R70).</summary>
internal static class LogoutEndpoints
{
    public static void MapLogout(this IEndpointRouteBuilder client)
    {
        client.MapPost("/logout", async (Caller caller, DeviceLives devices, CancellationToken cancellationToken) =>
        {
            await devices.EndAsync(caller.UserId, [caller.Device.DeviceId], cancellationToken);
            return new EmptyObject();
        });

        client.MapPost("/logout/all", async (
            Caller caller, DeviceLives devices, IAccountStore store, CancellationToken cancellationToken) =>
        {
            var all = await store.ListDevicesAsync(caller.UserId, cancellationToken);
            await devices.EndAsync(caller.UserId, all.Select(device => device.DeviceId), cancellationToken);
            return new EmptyObject();
        });
    }
}
