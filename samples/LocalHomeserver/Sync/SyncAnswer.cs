using System.Text.Json;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>Looks for news, waits for them and answers: <c>GET sync</c> and a sliding sync do it in the same way.</summary>
internal sealed class SyncAnswer(
    ToDeviceSync toDevice, KeyChanges changes, Contacts contacts, DehydratedDevices dehydrated, HandOuts handOuts, IHostApplicationLifetime server)
{
    /// <summary>Answers one request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="caller">Who makes it.</param>
    /// <param name="request">What it asks for.</param>
    /// <param name="write">Writes the response.</param>
    public async Task WriteAsync(HttpContext context, Caller caller, SyncRequest request, Action<Utf8JsonWriter, SyncNews> write)
    {
        var (device, aborted) = (caller.Device, context.RequestAborted);
        // Only an appservice can say that it is that one: nobody is logged in with it, and a sync would acknowledge what it keeps (R111).
        if (caller.Requester.IsAppservice && await dehydrated.FindAsync(caller.UserId, aborted) == device.DeviceId)
            throw Errors.Forbidden("Nobody syncs as a dehydrated device");

        // The signal is taken before the look, so that a change between the two ends the wait.
        var change = changes.Next;
        var news = await LookAsync(device, request, aborted);
        var waits = news.Messages.IsEmpty && !HasOthers(request, news.Others) && request.Timeout > TimeSpan.Zero;
        if (waits && await WaitForNewsAsync(device, request, change, aborted))
        {
            news.Messages.Dispose();
            news = await LookAsync(device, request, aborted);
        }

        using (news.Messages)
        {
            // The device may have been logged out while it waited, or while its request's body came, as slowly as its sender liked; and
            // another one may have its ID by now (D6).
            if (waits || HttpMethods.IsPost(context.Request.Method)) await Caller.BindAsync(context);
            handOuts.Note(device, news.Messages);
            context.Response.ContentType = "application/json";
            await context.Response.StartAsync(aborted);
            using var json = new Utf8JsonWriter(context.Response.BodyWriter);
            write(json, news);
        }

        // The messages have been given back before: a client that never reads its response keeps no more than that.
        await context.Response.BodyWriter.FlushAsync(aborted);
    }

    private async Task<SyncNews> LookAsync(DeviceAddress device, SyncRequest request, CancellationToken aborted)
    {
        // The library's part of a sync: it forgets what 'since' says the device has, and hands out what it has not.
        var messages = await toDevice.NextAsync(device, request.Messages, TimeSpan.Zero, aborted);
        try
        {
            // From now on, the user is told about the devices of the senders: beginning with this response.
            await contacts.AddAsync(device.UserId, messages.Events.Select(message => message.Sender), aborted);
            return new SyncNews(messages, await OtherNews.ReadAsync(changes, device, request, aborted));
        }
        catch
        {
            messages.Dispose();
            throw;
        }
    }

    private static bool HasOthers(SyncRequest request, OtherNews others) => (request.WantsKeys && others.Keys.HasNews) || others.AccountData.HasNews;

    // Messages, and changes of keys and account data. Whatever else a homeserver tells its clients ends the same wait. False when there
    // is nothing to tell.
    private async Task<bool> WaitForNewsAsync(DeviceAddress device, SyncRequest request, Task change, CancellationToken aborted)
    {
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(aborted, server.ApplicationStopping);
        var messages = toDevice.WaitAsync(device, request.Messages, request.Timeout, waiting.Token).AsTask();
        try
        {
            while (await Task.WhenAny(messages, change) != messages)
            {
                change = changes.Next;
                if (HasOthers(request, await OtherNews.ReadAsync(changes, device, request, waiting.Token))) return true;
            }

            return await messages;
        }
        catch (OperationCanceledException) when (!aborted.IsCancellationRequested)
        {
            // The server is about to stop: answered now, the client goes on with the next one where this one ended.
            return false;
        }
        finally
        {
            await waiting.CancelAsync();
            await ((Task)messages).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
