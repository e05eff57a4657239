namespace Matrix.ToDevice;

/// <summary>The homeserver's list of dehydrated devices (MSC3814).</summary>
public interface IDehydratedDevices
{
    /// <summary>Tells which device of a user is the dehydrated one at this moment. A user has one at most (R113).</summary>
    /// <remarks>
    /// Called for each request for its events. One that was replaced or deleted must not be told any more when
    /// <see cref="IDeviceInbox.RemoveDeviceAsync"/> is called for it.
    /// </remarks>
    /// <param name="userId">The full user ID of the requester.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The device's ID; null when the user has none.</returns>
    ValueTask<string?> FindAsync(string userId, CancellationToken cancellationToken);
}
