using System.Collections.Concurrent;

namespace Matrix.ToDevice.Tests;

/// <summary>The dehydrated devices of a test's homeserver, in the place of a host's own.</summary>
internal sealed class TestDehydratedDevices : IDehydratedDevices
{
    private readonly ConcurrentDictionary<string, string> _devices = new();

    /// <summary>What the host's list says instead.</summary>
    public Exception? Failure { get; set; }

    /// <summary>The dehydrated device of each user.</summary>
    public void Set(string userId, string deviceId) => _devices[userId] = deviceId;

    public ValueTask<string?> FindAsync(string userId, CancellationToken cancellationToken) =>
        Failure is null ? ValueTask.FromResult(_devices.GetValueOrDefault(userId)) : throw Failure;
}
