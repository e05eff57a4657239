using System.Security.Cryptography;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>
/// A device lives from a login to its logout or deletion. Its messages are its own: a later device with the same ID must
/// not find them (D6), so the library is told when a life ends.
/// </summary>
internal sealed class DeviceLives(
    IAccountStore store, ToDeviceSync toDevice, DeviceKeys keys, CrossSigning crossSigning, DehydratedDevices dehydrated, HandOuts handOuts, Settings settings,
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

            // Its session would acknowledge what it is there to keep.
            if (existing is not null && await dehydrated.FindAsync(userId, cancellationToken) == deviceId)
                throw Errors.InvalidParam("device_id", "another one than that of your dehydrated device");

            var address = new DeviceAddress(userId, deviceId);
            if (existing is null) await EndEarlierLifeAsync(address, turn);

            var device = new Device(
                deviceId,
                existing?.DisplayName ?? request.InitialDeviceDisplayName ?? "",
                connection.RemoteIpAddress?.ToString() ?? "",
                clock.GetUtcNow().ToUnixTimeMilliseconds());
            await store.SaveDeviceAsync(userId, device, tokens, cancellationToken);
            if (existing is null) await AnnounceAsync(address, hasKeys: false, turn);
        }
        finally
        {
            _oneAtATime.Release();
        }

        return new LoginResponse(userId, deviceId, tokens.Access, tokens.Refresh, tokens.LifetimeMs(settings));
    }

    /// <summary>
    /// Begins a dehydrated device, which ends the one of before (R113). The same one again, from a client that did not get the
    /// answer, goes on living.
    /// </summary>
    public async ValueTask BeginDehydratedAsync(
        string userId, ILoginRequest request, DehydratedDevice device, KeyUpload upload, CancellationToken cancellationToken)
    {
        await _oneAtATime.WaitAsync(cancellationToken);
        try
        {
            await using var turn = await store.LockDevicesAsync(userId, cancellationToken);
            var address = new DeviceAddress(userId, device.DeviceId);
            var before = await dehydrated.ReadAsync(userId, cancellationToken);
            if (before?.DeviceId == device.DeviceId && before.Data.AsSpan().SequenceEqual(device.Data))
            {
                // The server may have gone down before it told anybody, and nothing else of this device will be told.
                await AnnounceAsync(address, hasKeys: true, turn);
                return;
            }

            var devices = await store.FindDeviceIdsAsync([userId], cancellationToken);
            if (devices.Has(address) && before?.DeviceId != device.DeviceId)
                throw Errors.InvalidParam("device_id", "another one than that of a device that is logged in");
            if ((await crossSigning.FindAsync(userId, cancellationToken)).Values.Any(key => key.PublicKey == device.DeviceId)) throw NameOfAKey();

            if (before is not null) await EndAsync(address with { DeviceId = before.DeviceId }, turn);
            await EndEarlierLifeAsync(address, turn);

            // The keys first: it is not there without them for anybody.
            await keys.BeginDehydratedAsync(userId, device, upload, turn.Lost);
            var listed = new Device(
                device.DeviceId, request.InitialDeviceDisplayName ?? "", LastSeenIp: "", clock.GetUtcNow().ToUnixTimeMilliseconds());
            // A device has tokens. These nobody gets.
            await store.SaveDeviceAsync(userId, listed, Tokens.New(canRefresh: false, settings, clock), turn.Lost);
            await AnnounceAsync(address, hasKeys: true, turn);
        }
        finally
        {
            _oneAtATime.Release();
        }
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
                await EndAsync(device, turn);
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    public void Dispose() => _oneAtATime.Dispose();

    // If the server went down in the middle of EndAsync, an earlier life still has to be ended.
    private async ValueTask EndEarlierLifeAsync(DeviceAddress device, DeviceLock turn)
    {
        if (!store.RemovesMessagesToo) await toDevice.RemoveDeviceAsync(device, turn.Lost);
        await keys.RemoveAsync(device, isChange: false, turn.Lost);
    }

    private async ValueTask AnnounceAsync(DeviceAddress device, bool hasKeys, DeviceLock turn)
    {
        if (await crossSigning.TryAddDeviceAsync(device, hasKeys, turn.Lost)) return;

        await store.RemoveDeviceAsync(device, turn.Lost);
        await EndEarlierLifeAsync(device, turn);
        throw NameOfAKey();
    }

    private async ValueTask EndAsync(DeviceAddress device, DeviceLock turn)
    {
        // In this order: the library asks the directory for devices, and must not find this one again. And all, even if the client
        // goes away in between; but not when it is another host's turn, which may have begun a new device by then. What is left of
        // this one, EndEarlierLifeAsync ends.
        await store.RemoveDeviceAsync(device, turn.Lost);
        if (!store.RemovesMessagesToo) await toDevice.RemoveDeviceAsync(device, turn.Lost);
        handOuts.Forget(device);
        await keys.RemoveAsync(device, isChange: true, turn.Lost);
    }

    private static ToDeviceErrorException NameOfAKey() => Errors.InvalidParam("device_id", "another one than that of a cross-signing key");
}
