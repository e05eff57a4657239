namespace Matrix.ToDevice;

/// <summary>
/// Is told which of their devices other servers' users speak of: one that the homeserver does not know shows that its copy of that
/// user's device list is out of date, and that it has to ask for the list again. Optional.
/// </summary>
public interface IRemoteDeviceObserver
{
    /// <summary>
    /// A message from another server, which has just been delivered, names a device of its sender: as the
    /// <c>requesting_device_id</c> of an <c>m.room_key_request</c>, or as the <c>from_device</c> of an
    /// <c>m.key.verification.request</c>, <c>.ready</c> or <c>.start</c>.
    /// </summary>
    /// <remarks>
    /// A hint, as the sender wrote it: there may be no such device, it can come often, and after a crash it does not come. The transaction
    /// of the other server waits until this returns, so begin what takes time elsewhere, and only for a device that you do not know.
    /// What is thrown is logged, and changes nothing for the message.
    /// </remarks>
    /// <param name="device">The sender, whose server has been verified, and the device ID; at most 255 bytes of UTF-8.</param>
    /// <param name="cancellationToken">Cancelled when the other server has gone.</param>
    ValueTask DeviceSeenAsync(DeviceAddress device, CancellationToken cancellationToken);
}
