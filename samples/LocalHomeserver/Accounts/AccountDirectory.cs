using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>The library's question "which devices are there?", answered from this server's accounts.</summary>
internal sealed class AccountDirectory(IAccountStore store, UserIds users) : IDeviceDirectory
{
    // <federation-directory>
    public async ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken)
    {
        // One question, and only about this server's own: a send may name any number of users.
        var deviceIds = await store.FindDeviceIdsAsync([.. userIds.Where(users.IsOwn)], cancellationToken);

        // Users of servers that are no peers have no devices here, and no way leads to them: they are as unknown as anybody else
        // without devices (D10).
        return [.. userIds.Select(userId => users.IsOfPeer(userId) ? UserDevices.Remote : UserDevices.Local(deviceIds[userId]))];
    }
    // </federation-directory>
}
