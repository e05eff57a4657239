using System.Security.Cryptography;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>
/// A device lives from a login to its logout or deletion. Its messages are its own: a later device with the same ID must
/// not find them (D6), so the library is told when a life ends.
/// </summary>
internal sealed class DeviceLives(
    IAccountStore store, ToDeviceSync toDevice, DeviceKeys keys, CrossSigning crossSigning, HandOuts handOuts, Settings settings,
    TimeProvider clock) : IDisposable
{
    private const string IdLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    // The two steps of an end may not run around those of a beginning: they would remove the new device's messages. This is
    // for requests to this host; LockDevicesAsync, behind it, for those to others.
    private readonly SemaphoreSlim _oneAtATime = new(1);

    /// <summary>Logs a device in. One that exists goes on living: it keeps its messages, and only its older tokens end (R72).</summary>
    public async ValueTask<LoginResponse> BeginAsync(
        string userId, ILoginRequest request, ConnectionInfo connection, CancellationToken cancellationToken)
    {
        var deviceId = request.DeviceId ?? RandomNumberGenerator.GetString(IdLetters, 10);
        var tokens = Tokens.New(canRefresh: request.RefreshToken == true, settings, clock);

        await _oneAtATime.WaitAsync(cancellationToken);
        try
        {
            await using var turn = await store.LockDevicesAsync(userId, cancellationToken);
            var devices = await store.ListDevicesAsync(userId, cancellationToken);
            var existing = devices.FirstOrDefault(device => device.DeviceId == deviceId);

            // If the server went down in the middle of EndAsync, an earlier life still has to be ended.
            var address = new DeviceAddress(userId, deviceId);
            if (existing is null)
            {
                if (!store.RemovesMessagesToo) await toDevice.RemoveDeviceAsync(address, turn.Lost);
                await keys.RemoveAsync(address, isChange: false, turn.Lost);
            }

            var device = new Device(
                deviceId,
                existing?.DisplayName ?? request.InitialDeviceDisplayName ?? "",
                connection.RemoteIpAddress?.ToString() ?? "",
                clock.GetUtcNow().ToUnixTimeMilliseconds());
            await store.SaveDeviceAsync(userId, device, tokens, cancellationToken);
            if (existing is null && !await crossSigning.TryAddDeviceAsync(address, turn.Lost))
            {
                await store.RemoveDeviceAsync(address, turn.Lost);
                if (!store.RemovesMessagesToo) await toDevice.RemoveDeviceAsync(address, turn.Lost);
                throw Errors.InvalidParam("device_id", "another one than that of a cross-signing key");
            }
        }
        finally
        {
            _oneAtATime.Release();
        }

        return new LoginResponse(userId, deviceId, tokens.Access, tokens.Refresh, tokens.LifetimeMs(settings));
    }

    /// <summary>Ends devices. Those that do not exist are passed over, however many are named.</summary>
    public async ValueTask EndAsync(string userId, IEnumerable<string> deviceIds, CancellationToken cancellationToken)
    {
        await _oneAtATime.WaitAsync(cancellationToken);
        try
        {
            await using var turn = await store.LockDevicesAsync(userId, cancellationToken);
            var known = (await store.ListDevicesAsync(userId, cancellationToken)).Select(device => device.DeviceId).ToHashSet();
            foreach (var device in deviceIds.Where(known.Remove).Select(deviceId => new DeviceAddress(userId, deviceId)))
            {
                // In this order: the library asks the directory for devices, and must not find this one again. And all,
                // even if the client goes away in between; but not when it is another host's turn, which may have begun a new
                // device by then. What is left of this one, BeginAsync ends.
                await store.RemoveDeviceAsync(device, turn.Lost);
                if (!store.RemovesMessagesToo) await toDevice.RemoveDeviceAsync(device, turn.Lost);
                handOuts.Forget(device);
                await keys.RemoveAsync(device, isChange: true, turn.Lost);
            }
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    public void Dispose() => _oneAtATime.Dispose();
}
