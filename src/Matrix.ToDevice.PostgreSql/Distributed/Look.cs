namespace Matrix.ToDevice;

/// <summary>A question for the last removal in a bucket, and for those of some of its devices.</summary>
/// <param name="Bucket">The bucket.</param>
/// <param name="Devices">The devices.</param>
internal sealed record Look(int Bucket, IReadOnlyList<DeviceAddress> Devices);
