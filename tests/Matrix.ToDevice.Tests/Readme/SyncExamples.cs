namespace Matrix.ToDevice.Tests;

/// <summary>What docs/sync.md shows, between the marks; <see cref="SyncExamplesTests"/> runs it.</summary>
internal static class SyncExamples
{
    // <sync-object>
    public static async Task<object> SyncAsync(
        ToDeviceSync toDevice, DeviceAddress device, string? since, TimeSpan timeout, CancellationToken cancel)
    {
        using var batch = await toDevice.NextAsync(device, since, timeout, cancel);
        return new { next_batch = batch.NextBatch, to_device = batch.ToEvents() };
    }
    // </sync-object>

    public static async Task<ToDeviceBatch> WaitForAllAsync(
        ToDeviceSync toDevice, IMyRooms myRooms, DeviceAddress device, string? since, TimeSpan timeout, CancellationToken cancel)
    {
        // <sync-wait>
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var mail = toDevice.WaitAsync(device, since, timeout, stop.Token).AsTask();
        var rooms = myRooms.WaitAsync(device.UserId, timeout, stop.Token);
        await await Task.WhenAny(mail, rooms);
        await stop.CancelAsync();
        var batch = await toDevice.NextAsync(device, since, TimeSpan.Zero, cancel);
        // </sync-wait>
        return batch;
    }

    // <sync-token>
    /// <summary>A next_batch of both: "17~t…". One from before the adoption, "17", is one without a part of ours.</summary>
    public static string Join(string mine, string toDevice) => $"{mine}~{toDevice}";

    public static (string Mine, string? ToDevice) Split(string since) =>
        since.LastIndexOf('~') is >= 0 and var at ? (since[..at], since[(at + 1)..]) : (since, null);
    // </sync-token>

    internal interface IMyRooms
    {
        Task WaitAsync(string userId, TimeSpan timeout, CancellationToken cancellationToken);
    }
}
