using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>The library's question "which devices are there?", answered from this server's accounts.</summary>
internal sealed class AccountDirectory(IAccountStore store) : IDeviceDirectory
{
    public async ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken)
    {
        var deviceIds = await store.FindDeviceIdsAsync(userIds, cancellationToken);
        return [.. deviceIds.Select(UserDevices.Local)];
    }
}
