using System.Text.Json;

namespace Matrix.ToDevice.Tests;

/// <summary>What docs/sync.md and docs/sliding-sync.md show, between the marks; <see cref="SyncExamplesTests"/> runs it.</summary>
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

    public static async Task WriteExtensionsAsync(
        ToDeviceSync toDevice, DeviceAddress device, JsonElement extensions, TimeSpan timeout, Utf8JsonWriter json, CancellationToken cancel)
    {
        // <sliding-writer>
        var request = ToDeviceExtensionRequest.Parse(extensions.TryGetProperty("to_device", out var config) ? config : default);
        using var batch = await toDevice.NextAsync(device, request, timeout, cancel);
        json.WriteStartObject("extensions");
        if (!batch.IsEmpty)
        {
            json.WritePropertyName("to_device");
            batch.WriteExtensionTo(json);
        }

        json.WriteEndObject();
        // </sliding-writer>
    }

    // <sliding-object>
    public static async Task<Dictionary<string, object>> ExtensionsAsync(
        ToDeviceSync toDevice, IMyRooms myRooms, DeviceAddress device, JsonElement extensions, TimeSpan timeout, CancellationToken cancel)
    {
        var request = ToDeviceExtensionRequest.Parse(extensions.TryGetProperty("to_device", out var config) ? config : default);

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var mail = toDevice.WaitAsync(device, request, timeout, stop.Token).AsTask();
        var rooms = myRooms.WaitAsync(device.UserId, timeout, stop.Token);
        await await Task.WhenAny(mail, rooms);
        await stop.CancelAsync();

        using var batch = await toDevice.NextAsync(device, request, TimeSpan.Zero, cancel);
        return batch.IsEmpty ? [] : new Dictionary<string, object> { ["to_device"] = batch.ToExtension() };
    }
    // </sliding-object>

    internal interface IMyRooms
    {
        Task WaitAsync(string userId, TimeSpan timeout, CancellationToken cancellationToken);
    }
}
