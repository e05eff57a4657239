using System.Runtime.InteropServices;
using System.Text.Json;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>
/// <c>PUT</c>, <c>GET</c> and <c>DELETE dehydrated_device</c> of MSC3814, which has no stable path yet. Its messages are the library's
/// <c>MapDehydratedDeviceEvents()</c>.
/// </summary>
internal static class DehydratedDeviceEndpoints
{
    private const string Path = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device";
    private const int MaxBytes = 65_536;

    public static void MapDehydratedDevice(this WebApplication app)
    {
        app.MapPut(Path, async (
            Caller caller, Body<DehydratedDeviceRequest> body, DeviceLives devices, CancellationToken cancellationToken) =>
        {
            var request = body.Value;
            var device = new DeviceAddress(caller.UserId, request.DeviceId ?? throw Errors.MissingParam("device_id"));
            request.CheckDeviceId();

            // A device without keys would be one that others send to in plain text, or not at all.
            var upload = KeyUpload.Read(
                new KeyUploadRequest(request.DeviceKeys ?? throw Errors.MissingParam("device_keys"), request.OneTimeKeys, request.FallbackKeys), device);
            if (upload.OneTimeKeys.Count + upload.FallbackKeys.Count > KeyUpload.MaxKeys)
                throw Errors.InvalidParam("one_time_keys", $"at most {KeyUpload.MaxKeys} keys with the fallback keys");
            await devices.BeginDehydratedAsync(caller.UserId, request, new DehydratedDevice(device.DeviceId, DataOf(request)), upload, cancellationToken);
            return new DehydratedDeviceResponse(device.DeviceId);
        });

        app.MapGet(Path, async (Caller caller, DehydratedDevices dehydrated, CancellationToken cancellationToken) =>
        {
            var device = await dehydrated.ReadAsync(caller.UserId, cancellationToken) ?? throw None();
            return new DehydratedDeviceResponse(device.DeviceId, JsonElement.Parse(device.Data));
        });

        app.MapDelete(Path, async (
            Caller caller, DehydratedDevices dehydrated, DeviceLives devices, CancellationToken cancellationToken) =>
        {
            var device = await dehydrated.ReadAsync(caller.UserId, cancellationToken) ?? throw None();
            await devices.EndAsync(caller.UserId, [device.DeviceId], cancellationToken);
            return new DehydratedDeviceResponse(device.DeviceId);
        });
    }

    private static byte[] DataOf(DehydratedDeviceRequest request)
    {
        var data = request.DeviceData ?? throw Errors.MissingParam("device_data");
        if (KeyJson.Text(data, "algorithm") is null) throw Errors.BadJson("'device_data' must be an object with an algorithm");
        var json = JsonMarshal.GetRawUtf8Value(data).ToArray();
        return json.Length <= MaxBytes ? json : throw Errors.New(413, "M_TOO_LARGE", $"'device_data' has {MaxBytes} bytes at most");
    }

    private static ToDeviceErrorException None() => Errors.NotFound("You have no dehydrated device");
}

internal sealed record DehydratedDeviceRequest(
    string? DeviceId,
    JsonElement? DeviceData,
    string? InitialDeviceDisplayName,
    JsonElement? DeviceKeys,
    Dictionary<string, JsonElement>? OneTimeKeys,
    Dictionary<string, JsonElement>? FallbackKeys) : ILoginRequest
{
    // Nobody logs in with it.
    bool? ILoginRequest.RefreshToken => false;
}

internal sealed record DehydratedDeviceResponse(string DeviceId, JsonElement? DeviceData = null);
