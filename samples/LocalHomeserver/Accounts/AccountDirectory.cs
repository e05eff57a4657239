using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>The library's question "which devices are there?", answered from this server's accounts.</summary>
internal sealed class AccountDirectory(IAccountStore store, UserIds users) : IDeviceDirectory
{
    // <federation-directory>
    public async ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken)
    {
        var deviceIds = await store.FindDeviceIdsAsync(userIds, cancellationToken);
        // Users of servers that are no peers have no devices here, and no way leads to them: they are as unknown as anybody else
        // without devices (D10).
        return [.. userIds.Zip(deviceIds, (userId, ids) => users.IsOfPeer(userId) ? UserDevices.Remote : UserDevices.Local(ids))];
    }
    // </federation-directory>
}
