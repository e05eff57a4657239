using System.Threading.Channels;

namespace Matrix.ToDevice.Tests.Readme;

/// <summary>What docs/federation.md shows of a host that keeps copies of other servers' device lists.</summary>
internal sealed class Resync(MyRemoteDevices copies) : IRemoteDeviceObserver
{
    // Each user is in it once. Whoever empties it asks the user's server, one user after the other.
    private readonly Channel<string> _stale = Channel.CreateBounded<string>(1000);

    public ChannelReader<string> Stale => _stale.Reader;

    // <device-seen>
    public async ValueTask DeviceSeenAsync(DeviceAddress device, CancellationToken cancellationToken)
    {
        // Known: nothing to do. And a user whose list is already marked is not asked for twice, whatever they send.
        if (await copies.HasAsync(device, cancellationToken) || !await copies.MarkStaleAsync(device.UserId, cancellationToken)) return;
        _stale.Writer.TryWrite(device.UserId);
    }
    // </device-seen>
}

internal sealed class MyRemoteDevices
{
    private readonly HashSet<string> _known = ["KNOWN"];
    private readonly HashSet<string> _stale = [];

    public ValueTask<bool> HasAsync(DeviceAddress device, CancellationToken cancellationToken) => new(_known.Contains(device.DeviceId));

    public ValueTask<bool> MarkStaleAsync(string userId, CancellationToken cancellationToken) => new(_stale.Add(userId));
}
