using System.Buffers.Binary;

namespace Matrix.ToDevice;

/// <summary>
/// Names as the tables have them: 16 bytes of a hash. A client may choose any text of any length, and databases compare texts in
/// ways of their own: without case, without spaces at the end, up to a length. These bytes they compare as they are.
/// </summary>
internal static class StoredKey
{
    public const int Bytes = 16;

    public static UInt128 Of(DeviceAddress device)
    {
        StoredText.Check(device.UserId, nameof(device.UserId));
        StoredText.Check(device.DeviceId, nameof(device.DeviceId));
        return new TransactionKey(device.UserId, device.DeviceId, "", "", "").Fingerprint();
    }

    /// <summary>The requester's device; for one without a device, and for another server, what no device can be.</summary>
    public static UInt128 OfSender(TransactionKey key) => key.DeviceId is null
        ? new TransactionKey(key.UserId, null, key.Endpoint, "", "").Fingerprint()
        : Of(new DeviceAddress(key.UserId, key.DeviceId));

    public static byte[] OfHolder(string holder) => ToBytes(new TransactionKey(holder, null, "", "", "").Fingerprint());

    public static byte[] OfTask(string task) => OfHolder(task);

    public static byte[] ToBytes(UInt128 key)
    {
        var bytes = new byte[Bytes];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, key);
        return bytes;
    }

    public static UInt128 FromBytes(byte[] bytes) => BinaryPrimitives.ReadUInt128BigEndian(bytes);
}
