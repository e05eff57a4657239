using Matrix.ToDevice;
using Microsoft.AspNetCore.Http.HttpResults;

namespace LocalHomeserver;

/// <summary><c>GET devices</c>, <c>GET</c>, <c>PUT</c> and <c>DELETE devices/{deviceId}</c>, and <c>POST delete_devices</c>.</summary>
internal static class DeviceEndpoints
{
    public static void MapDevices(this IEndpointRouteBuilder client)
    {
        client.MapGet("/devices", async (Caller caller, IAccountStore store, CancellationToken cancellationToken) =>
            new DeviceList(await store.ListDevicesAsync(caller.UserId, cancellationToken)));

        client.MapGet("/devices/{deviceId}", async (
            Caller caller, string deviceId, IAccountStore store, CancellationToken cancellationToken) =>
        {
            var devices = await store.ListDevicesAsync(caller.UserId, cancellationToken);
            return devices.FirstOrDefault(device => device.DeviceId == deviceId) ?? throw NoSuchDevice();
        });

        client.MapPut("/devices/{deviceId}", async (
            Caller caller,
            string deviceId,
            Body<UpdateDeviceRequest> body,
            IAccountStore store,
            DeviceLists lists,
            DeviceLives lives,
            HttpContext context,
            CancellationToken cancellationToken) =>
        {
            var devices = await store.ListDevicesAsync(caller.UserId, cancellationToken);
            if (devices.FirstOrDefault(device => device.DeviceId == deviceId) is not { } device)
            {
                // An appservice's devices need no login (R75).
                if (!caller.Requester.IsAppservice) throw NoSuchDevice();
                var request = new NewDeviceRequest(deviceId, body.Value.DisplayName);
                request.CheckDeviceId();
                await lives.BeginAsync(caller.UserId, request, context.Connection, cancellationToken);
                return Empty(201);
            }

            // A name that it has already is told to nobody: they would all ask for its keys again.
            if (body.Value.DisplayName is not { } name || name == device.DisplayName) return Empty(200);
            if (!await store.RenameDeviceAsync(new DeviceAddress(caller.UserId, deviceId), name, cancellationToken)) throw NoSuchDevice();
            await lists.ChangeAsync(caller.UserId, deviceId, cancellationToken);
            return Empty(200);
        });

        client.MapDelete("/devices/{deviceId}", async (
            Caller caller,
            string deviceId,
            Body<DeleteDeviceRequest> body,
            Passwords passwords,
            DeviceLives devices,
            CancellationToken cancellationToken) =>
        {
            await UserInteractiveAuth.RequirePasswordAsync(body.Value.Auth, caller, passwords, cancellationToken);
            await devices.EndAsync(caller.UserId, [deviceId], cancellationToken);
            return new EmptyObject();
        });

        client.MapPost("/delete_devices", async (
            Caller caller,
            Body<DeleteDevicesRequest> body,
            Passwords passwords,
            DeviceLives devices,
            CancellationToken cancellationToken) =>
        {
            var deviceIds = body.Value.Devices ?? throw Errors.MissingParam("devices");
            if (deviceIds.Contains(null)) throw Errors.BadJson("'devices' must be a list of device IDs");
            await UserInteractiveAuth.RequirePasswordAsync(body.Value.Auth, caller, passwords, cancellationToken);
            await devices.EndAsync(caller.UserId, deviceIds.OfType<string>(), cancellationToken);
            return new EmptyObject();
        });
    }

    private static JsonHttpResult<EmptyObject> Empty(int status) =>
        TypedResults.Json(new EmptyObject(), MatrixJson.Default.EmptyObject, statusCode: status);

    private static ToDeviceErrorException NoSuchDevice() => Errors.NotFound("You have no such device");
}

internal sealed record DeviceList(IReadOnlyList<Device> Devices);

/// <summary>A device that an appservice makes. Its token is told to nobody: the appservice has its own.</summary>
internal sealed record NewDeviceRequest(string? DeviceId, string? InitialDeviceDisplayName) : ILoginRequest
{
    public bool? RefreshToken => false;
}

internal sealed record UpdateDeviceRequest(string? DisplayName);

internal sealed record DeleteDeviceRequest(AuthData? Auth);

internal sealed record DeleteDevicesRequest(AuthData? Auth, string?[]? Devices);
