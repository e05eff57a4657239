namespace Matrix.ToDevice;

/// <summary>The intents of a sending device for one target: they are delivered in their order.</summary>
/// <param name="Device">The device, as its rows name it.</param>
/// <param name="Target">The bucket where they belong.</param>
internal readonly record struct Source(DeviceAddress Device, int Target)
{
    /// <summary>The bucket where they lie.</summary>
    public int Bucket => Buckets.Of(Device.UserId);
}
