namespace Matrix.ToDevice;

/// <summary>An <see cref="IDeviceDirectory"/> that is one function.</summary>
internal sealed class DelegateDirectory(
    IServiceProvider services, Func<IServiceProvider, IReadOnlyList<string>, CancellationToken, ValueTask<IReadOnlyList<UserDevices>>> find)
    : IDeviceDirectory
{
    public ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken) =>
        find(services, userIds, cancellationToken);
}
