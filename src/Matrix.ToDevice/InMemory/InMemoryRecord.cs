namespace Matrix.ToDevice;

/// <summary>That a transaction was committed, and where it stands among others.</summary>
internal struct InMemoryRecord
{
    public long LastUsed;
    public InMemoryRequester Requester;
    public InMemoryAges Ages;

    /// <summary>Where it stands in <see cref="Ages"/>.</summary>
    public int Place;

    /// <summary>The neighbours among those of the same requester; negative for none.</summary>
    public int Newer;
    public int Older;
}

/// <summary>Who has records. Not one that a later device with the same ID has.</summary>
internal sealed class InMemoryRequester(string userId, string? deviceId)
{
    private const int ObjectBytes = 48;

    public string UserId => userId;
    public string? DeviceId => deviceId;

    /// <summary>The newest of its records; negative for none.</summary>
    public int Newest { get; set; } = -1;

    /// <summary>Whether the device was removed: its records count no more, and go.</summary>
    public bool IsRemoved { get; set; }

    public int Bytes => SizeOf(userId, deviceId);

    public static int SizeOf(string userId, string? deviceId) =>
        ObjectBytes + GradualTable<DeviceAddress, InMemoryRequester>.EntryBytes
        + InMemoryCapacity.SizeOf(userId) + InMemoryCapacity.SizeOf(deviceId);
}
