using System.Buffers;
using System.Text.Json;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary><c>GET sync</c>: where to-device messages are delivered (R51).</summary>
internal static class SyncEndpoint
{
    public static void MapSync(this IEndpointRouteBuilder client) => client.MapGet("/sync", SyncAsync);

    private static async Task SyncAsync(
        HttpContext context, Caller caller, IAccountStore store, ToDeviceSync toDevice, KeyChanges changes, Contacts contacts,
        HandOuts handOuts, IHostApplicationLifetime server)
    {
        var aborted = context.RequestAborted;
        var query = await SyncQuery.ReadAsync(context, caller, store);

        var (batch, keys, accountData) = await LookAsync();
        if (batch.IsEmpty && !keys.HasNews && !accountData.HasNews && query.Timeout > TimeSpan.Zero)
        {
            batch.Dispose();
            await WaitForNewsAsync(caller.Device, query, toDevice, changes, server, aborted);
            (batch, keys, accountData) = await LookAsync();
        }

        using (batch)
        {
            // The device may have been logged out while it waited, and another one may have its ID by now (D6).
            await Caller.BindAsync(context);
            handOuts.Note(caller.Device, batch);
            context.Response.ContentType = "application/json";
            await context.Response.StartAsync(aborted);
            Write(context.Response.BodyWriter, batch, keys, accountData);
        }

        // The batch has been given back before: a client that never reads its response keeps no more than that.
        await context.Response.BodyWriter.FlushAsync(aborted);

        async Task<(ToDeviceBatch Batch, KeySync Keys, AccountDataSync AccountData)> LookAsync()
        {
            // The library's part of a sync: it forgets what 'since' says the device has, and hands out what it has not.
            var batch = await toDevice.NextAsync(caller.Device, query.Since?.ToDevice, TimeSpan.Zero, aborted);
            try
            {
                // From now on, the user is told about the devices of the senders: beginning with this response.
                await contacts.AddAsync(caller.UserId, batch.Events.Select(message => message.Sender), aborted);
                var keys = await KeySync.ReadAsync(changes, caller.Device, query.Since?.Keys, aborted);
                return (batch, keys, await AccountDataSync.ReadAsync(changes, caller.UserId, query.Since?.Keys, aborted));
            }
            catch
            {
                batch.Dispose();
                throw;
            }
        }
    }

    // Messages, and changes of keys and account data. Whatever else a homeserver tells its clients ends the same wait.
    private static async Task WaitForNewsAsync(
        DeviceAddress device, SyncQuery query, ToDeviceSync toDevice, KeyChanges changes, IHostApplicationLifetime server,
        CancellationToken aborted)
    {
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(aborted, server.ApplicationStopping);
        var messages = toDevice.WaitAsync(device, query.Since?.ToDevice, query.Timeout, waiting.Token).AsTask();
        try
        {
            while (true)
            {
                // The signal is taken before the look, so that a change between the two ends the wait.
                var change = changes.Next;
                if ((await KeySync.ReadAsync(changes, device, query.Since?.Keys, waiting.Token)).HasNews) break;
                if ((await AccountDataSync.ReadAsync(changes, device.UserId, query.Since?.Keys, waiting.Token)).HasNews) break;
                if (await Task.WhenAny(messages, change) == messages) break;
            }
        }
        catch (OperationCanceledException) when (!aborted.IsCancellationRequested)
        {
            // The server is about to stop: answered now, the client goes on with the next one where this one ended.
        }
        finally
        {
            await waiting.CancelAsync();
            await ((Task)messages).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static void Write(IBufferWriter<byte> body, ToDeviceBatch batch, KeySync keys, AccountDataSync accountData)
    {
        using var json = new Utf8JsonWriter(body);
        json.WriteStartObject();
        json.WriteString("next_batch", new SyncToken(batch.NextBatch, keys.Position).ToString());
        if (!batch.IsEmpty)
        {
            json.WritePropertyName("to_device");
            batch.WriteTo(json);
        }

        keys.WriteTo(json);
        accountData.WriteTo(json);
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
}
