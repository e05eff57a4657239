using System.Text.Json;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary><c>GET sync</c>: where to-device messages are delivered (R51).</summary>
internal static class SyncEndpoint
{
    public static void MapSync(this IEndpointRouteBuilder client) => client.MapGet("/sync", SyncAsync);

    private static async Task SyncAsync(
        HttpContext context, Caller caller, IAccountStore store, ToDeviceSync toDevice, IHostApplicationLifetime server)
    {
        var aborted = context.RequestAborted;
        var query = await SyncQuery.ReadAsync(context, caller, store);

        // The library's part of a sync: it forgets what 'since' says the device has, and hands out what it has not.
        var batch = await toDevice.NextAsync(caller.Device, query.Since, TimeSpan.Zero, aborted);
        if (batch.Events.Count == 0 && query.Timeout > TimeSpan.Zero)
        {
            batch.Dispose();
            await WaitForNewsAsync(caller.Device, query.Timeout, toDevice, server, aborted);
            batch = await toDevice.NextAsync(caller.Device, query.Since, TimeSpan.Zero, aborted);
        }

        using (batch)
        {
            // The device may have been logged out while it waited, and another one may have its ID by now (D6).
            await Caller.BindAsync(context);
            await WriteAsync(context, batch);
        }
    }

    // Messages are the only news so far. Whatever else a homeserver tells its clients ends the same wait.
    private static async Task WaitForNewsAsync(
        DeviceAddress device, TimeSpan timeout, ToDeviceSync toDevice, IHostApplicationLifetime server, CancellationToken aborted)
    {
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(aborted, server.ApplicationStopping);
        try
        {
            await toDevice.WaitAsync(device, timeout, waiting.Token);
        }
        catch (OperationCanceledException) when (!aborted.IsCancellationRequested)
        {
            // The server is about to stop: answered now, the client goes on with the next one where this one ended.
        }
    }

    private static async Task WriteAsync(HttpContext context, ToDeviceBatch batch)
    {
        context.Response.ContentType = "application/json";
        await using var json = new Utf8JsonWriter(context.Response.BodyWriter);
        json.WriteStartObject();
        json.WriteString("next_batch", batch.NextBatch);
        if (batch.Events.Count > 0)
        {
            json.WritePropertyName("to_device");
            batch.WriteTo(json);
        }

        json.WriteStartObject("device_lists");
        WriteEmptyArray(json, "changed");
        WriteEmptyArray(json, "left");
        json.WriteEndObject();
        WriteEmptyObject(json, "device_one_time_keys_count");
        json.WriteStartObject("rooms");
        WriteEmptyObject(json, "join");
        WriteEmptyObject(json, "invite");
        WriteEmptyObject(json, "leave");
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteEmptyObject(Utf8JsonWriter json, string name)
    {
        json.WriteStartObject(name);
        json.WriteEndObject();
    }

    private static void WriteEmptyArray(Utf8JsonWriter json, string name)
    {
        json.WriteStartArray(name);
        json.WriteEndArray();
    }
}
