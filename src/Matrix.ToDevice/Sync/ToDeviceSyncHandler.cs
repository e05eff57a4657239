using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>One request to the module's own <c>/sync</c>.</summary>
internal sealed class ToDeviceSyncHandler(
    IAuthResolver auth,
    ToDeviceSync toDevice,
    CurrentOptions options,
    IHostApplicationLifetime host,
    TimeProvider time,
    QuietLogger<ToDeviceSyncHandler> logger)
{
    /// <summary>The token of a requester without a device, for whom there is nothing to acknowledge (R62).</summary>
    private const string NoDevice = "n";

    // Most pages fit, and the array is given back at once.
    private const int FirstBytes = 64 * 1024;

    // One for each thread: nobody waits for anything between its first character and its last.
    [ThreadStatic]
    private static Utf8JsonWriter? s_json;

    public async Task HandleAsync(HttpContext context, string? since, string? timeout)
    {
        try
        {
            await SyncAsync(context, since, timeout);
        }
        catch (ToDeviceErrorException exception)
        {
            await exception.Error.WriteAsync(context);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            context.Abort();
        }
        catch (Exception exception)
        {
            Log.SyncUnavailable(logger, exception);
            // Half a response is no answer; a connection that breaks is.
            if (context.Response.HasStarted) context.Abort();
            else await ToDeviceError.TemporarilyUnavailable(options.Value.RetryAfter).WriteAsync(context);
        }
    }

    private async Task SyncAsync(HttpContext context, string? since, string? timeout)
    {
        var requester = await AuthenticateAsync(context);
        var wait = ParseTimeout(timeout);
        using var ending = wait > TimeSpan.Zero
            ? CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, host.ApplicationStopping) : null;
        if (DeviceOf(requester) is not { } device)
        {
            // A long poll takes its time, or the client would ask again at once, and again.
            if (!string.IsNullOrEmpty(since) && ending is not null)
                await Task.Delay(wait, time, ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await WriteAsync(context, NoDevice, null);
            return;
        }

        ToDeviceBatch? next = null;
        try
        {
            next = await toDevice.NextAsync(device, since, wait, ending?.Token ?? context.RequestAborted);
        }
        catch (OperationCanceledException) when (host.ApplicationStopping.IsCancellationRequested && !context.RequestAborted.IsCancellationRequested)
        {
            // The host is about to stop: answered now, the client goes on with the next one where this one ended.
        }

        using var batch = next ?? await toDevice.NextAsync(device, since, TimeSpan.Zero, context.RequestAborted);

        // The device may have been logged out while it waited, and another one may have its ID by now (D6, D17).
        if (wait > TimeSpan.Zero && DeviceOf(await AuthenticateAsync(context)) != device)
            throw new ToDeviceErrorException(AuthResult.UnknownToken().Error!);
        await WriteAsync(context, batch.NextBatch, batch);
    }

    private async ValueTask<Requester> AuthenticateAsync(HttpContext context)
    {
        var result = await auth.ResolveAsync(context, context.RequestAborted);
        return result.Succeeded ? result.Requester : throw new ToDeviceErrorException(result.Error);
    }

    private static DeviceAddress? DeviceOf(Requester requester) =>
        requester.DeviceId is null ? null : new DeviceAddress(requester.UserId, requester.DeviceId);

    private TimeSpan ParseTimeout(string? timeout)
    {
        if (string.IsNullOrEmpty(timeout)) return TimeSpan.Zero;
        if (!uint.TryParse(timeout, NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds))
            throw new ToDeviceErrorException(ToDeviceError.InvalidParam("timeout is not a number of milliseconds"));

        var wait = TimeSpan.FromMilliseconds(milliseconds);
        return wait < options.Value.MaxSyncTimeout ? wait : options.Value.MaxSyncTimeout;
    }

    private static async Task WriteAsync(HttpContext context, string nextBatch, ToDeviceBatch? batch)
    {
        if (batch is null || batch.IsEmpty)
        {
            using var body = new RentedBuffer(128);
            Write(body, nextBatch, null);
            await MatrixResponse.WriteAsync(context, StatusCodes.Status200OK, body.Written);
            return;
        }

        MatrixResponse.AddHeaders(context, StatusCodes.Status200OK);
        // What is written before the headers is kept aside, and copied.
        await context.Response.StartAsync(context.RequestAborted);
        WritePage(context.Response.BodyWriter, nextBatch, batch);
        // Before the client has to read: it may never do that.
        batch.Dispose();
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    private static void WritePage(PipeWriter body, string nextBatch, ToDeviceBatch batch)
    {
        // Aside, and then in one piece: a JSON writer asks for 4 KB at a time, and with the frame of a chunk that is more than the server's
        // own memory has in one piece.
        using var page = new RentedBuffer(FirstBytes);
        Write(page, nextBatch, batch);
        body.Write(page.Written.Span);
    }

    private static void Write(IBufferWriter<byte> body, string nextBatch, ToDeviceBatch? batch)
    {
        var json = s_json ??= new Utf8JsonWriter(body);
        json.Reset(body);
        json.WriteStartObject();
        json.WriteString("next_batch"u8, nextBatch);
        if (batch is not null)
        {
            json.WritePropertyName("to_device"u8);
            batch.WriteTo(json);
        }

        json.WriteEndObject();
        json.Flush();
    }
}
