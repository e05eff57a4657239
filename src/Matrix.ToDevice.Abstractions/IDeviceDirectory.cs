namespace Matrix.ToDevice;

/// <summary>The homeserver's list of users and their devices.</summary>
public interface IDeviceDirectory
{
    /// <summary>Tells for each user which devices there are at this moment.</summary>
    /// <remarks>
    /// Called once for each send, with all its recipients. A device that has been removed must not be listed any more
    /// when <see cref="IDeviceInbox.RemoveDeviceAsync"/> is called for it.
    /// </remarks>
    /// <param name="userIds">User IDs as a client wrote them, each once: <c>@</c> first, a colon somewhere, otherwise any text.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>One answer for each user, in the order of <paramref name="userIds"/>.</returns>
    ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken);
}
