using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>One request for the events of a dehydrated device.</summary>
internal sealed class DehydratedDeviceEventsHandler(
    IAuthResolver auth,
    DehydratedDeviceEvents events,
    CurrentOptions options,
    QuietLogger<DehydratedDeviceEventsHandler> logger)
{
    public async Task HandleAsync(HttpContext context)
    {
        if (!DehydratedDevicePath.TryRead(context, out var deviceId))
        {
            await ToDeviceError.UnknownEndpoint.WriteAsync(context);
            return;
        }

        try
        {
            await ReadAsync(context, deviceId);
        }
        catch (ToDeviceErrorException exception)
        {
            await exception.Error.WriteAsync(context);
        }
        catch (Exception exception) when (exception is ClientGoneException || context.RequestAborted.IsCancellationRequested)
        {
            context.Abort();
        }
        catch (Exception exception)
        {
            Log.DehydratedEventsUnavailable(logger, exception);
            // Half a response is no answer; a connection that breaks is.
            if (context.Response.HasStarted) context.Abort();
            else await ToDeviceError.TemporarilyUnavailable(options.Value.RetryAfter).WriteAsync(context);
        }
    }

    private async Task ReadAsync(HttpContext context, ReadOnlyMemory<char> encodedDeviceId)
    {
        var aborted = context.RequestAborted;
        var requester = await auth.ResolveAsync(context, aborted);
        if (!requester.Succeeded) throw new ToDeviceErrorException(requester.Error);

        var deviceId = SendPath.Decode(encodedDeviceId.Span, "The device ID");
        var isPost = HttpMethods.IsPost(context.Request.Method);
        var from = isPost ? await ReadBodyAsync(context.Request) : context.Request.Query["from"].FirstOrDefault();
        var batch = await events.ReadAsync(requester.Requester.UserId, deviceId, from, aborted);
        // To whoever asks by POST, no events are the end.
        while (isPost && batch is { IsEmpty: true, Limited: true })
            batch = await events.ReadAsync(requester.Requester.UserId, deviceId, batch.NextBatch, aborted);
        using var disposing = batch;

        MatrixResponse.AddHeaders(context, StatusCodes.Status200OK);
        // What is written before the headers is kept aside, and copied.
        await context.Response.StartAsync(aborted);
        // Whoever asks by POST goes on until there are no events, and has to be given a token for that.
        Write(context.Response.BodyWriter, batch, withNextBatch: isPost || batch.Limited);
        // Before the client has to read: it may never do that.
        batch.Dispose();
        await context.Response.BodyWriter.FlushAsync(aborted);
    }

    private static async ValueTask<string?> ReadBodyAsync(HttpRequest request)
    {
        var (buffer, length) = await RequestBody.ReadAsync(request, DehydratedDeviceEventsBody.MaxBytes, request.HttpContext.RequestAborted);
        try
        {
            return DehydratedDeviceEventsBody.Read(buffer.AsSpan(0, length));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static void Write(IBufferWriter<byte> body, ToDeviceBatch batch, bool withNextBatch)
    {
        using var json = new Utf8JsonWriter(body);
        batch.Write(json, withNextBatch ? batch.NextBatch : null);
    }
}
