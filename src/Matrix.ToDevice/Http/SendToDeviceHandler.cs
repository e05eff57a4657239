using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>One send, from top to bottom: who asks, what for, to whom, and the commit.</summary>
internal sealed class SendToDeviceHandler(
    IAuthResolver auth,
    SendCommit commit,
    SendRates rates,
    ToDeviceMetrics metrics,
    CurrentOptions options,
    TimeProvider time,
    QuietLogger<SendToDeviceHandler> logger)
{
    /// <summary>Carries the request out and answers it, whatever happens: no exception leaves for the host's handlers to answer.</summary>
    public async Task HandleAsync(HttpContext context, string routePrefix)
    {
        if (!SendPath.TryRead(context, routePrefix, out var encodedEventType, out var encodedTxnId))
        {
            await ToDeviceError.UnknownEndpoint.WriteAsync(context);
            return;
        }

        using var span = ToDeviceTraces.Send();
        var started = time.GetTimestamp();
        var outcome = SendOutcome.Refused;
        string? eventType = null;
        try
        {
            // Read before anybody is looked up, so that the commit notices a device that is removed from here on (D6).
            var knownRemovals = commit.KnownRemovals;
            var requester = await AuthenticateAsync(context);
            eventType = SendPath.Decode(encodedEventType.Span, "The event type");
            var txnId = SendPath.Decode(encodedTxnId.Span, "The transaction ID");
            // Before its body is read: what is refused costs little.
            using var permit = rates.OfSender(requester);
            outcome = permit is { IsAcquired: false }
                ? await RefuseAsync(KeyOf(requester, eventType, txnId), LimitExceeded.Of(permit), context.RequestAborted)
                : await ReadAndSendAsync(context, requester, knownRemovals, eventType, txnId);
            await MatrixResponse.WriteEmptyObjectAsync(context);
        }
        catch (ToDeviceErrorException exception)
        {
            Log.Refused(logger, exception.Error.StatusCode, exception.Error.ErrorCode, exception.Error.Error);
            await exception.Error.WriteAsync(context);
        }
        catch (Exception exception) when (exception is ClientGoneException || context.RequestAborted.IsCancellationRequested)
        {
            outcome = SendOutcome.ClientGone;
            // Should somebody be there after all: a broken connection is no 200.
            context.Abort();
        }
        catch (Exception exception)
        {
            // Never a 4xx, for which a client would drop the messages for good (D3).
            outcome = SendOutcome.Unavailable;
            Log.SendUnavailable(logger, exception);
            await ToDeviceError.TemporarilyUnavailable(options.Value.RetryAfter).WriteAsync(context);
        }

        metrics.Sent(time.GetElapsedTime(started), outcome, eventType);
        span.End(outcome.Name(), isError: outcome == SendOutcome.Unavailable);
    }

    private async ValueTask<Requester> AuthenticateAsync(HttpContext context)
    {
        var result = await auth.ResolveAsync(context, context.RequestAborted);
        return result.Succeeded ? result.Requester : throw new ToDeviceErrorException(result.Error);
    }

    private async ValueTask<SendBody> ReadBodyAsync(HttpRequest request)
    {
        var limits = options.Value;
        var (buffer, length) = await RequestBody.ReadAsync(request, limits.MaxBodyBytes, request.HttpContext.RequestAborted);
        return SendBodyParser.Parse(buffer, length, limits);
    }

    private static TransactionKey KeyOf(Requester requester, string eventType, string txnId) =>
        new(requester.UserId, requester.DeviceId, TransactionKey.SendToDevice, eventType, txnId);

    private async ValueTask<SendOutcome> RefuseAsync(TransactionKey key, ToDeviceError error, CancellationToken cancellationToken)
    {
        await commit.RefuseAsync(key, error, cancellationToken);
        Log.Duplicate(logger, key.UserId, key.EventType);
        return SendOutcome.Duplicate;
    }

    private async ValueTask<SendOutcome> ReadAndSendAsync(
        HttpContext context, Requester requester, long knownRemovals, string eventType, string txnId)
    {
        try
        {
            using var body = await ReadBodyAsync(context.Request);
            return await SendAsync(context, requester, knownRemovals, eventType, txnId, body);
        }
        catch (ToDeviceErrorException exception) when (exception.Error.StatusCode is 400 or 413)
        {
            // Limits may have been lowered since it was committed.
            return await RefuseAsync(KeyOf(requester, eventType, txnId), exception.Error, context.RequestAborted);
        }
    }

    private async ValueTask<SendOutcome> SendAsync(
        HttpContext context, Requester requester, long knownRemovals, string eventType, string txnId, SendBody body)
    {
        for (var attempt = 1; ; attempt++)
        {
            var result = await commit.TryAsync(
                KeyOf(requester, eventType, txnId), requester.UserId, eventType, body, RemoteUsers.GetEdus, knownRemovals, context.RequestAborted);
            switch (result)
            {
                case CommitResult.Committed:
                    return SendOutcome.Committed;
                case CommitResult.AlreadyCommitted:
                    Log.Duplicate(logger, requester.UserId, eventType);
                    return SendOutcome.Duplicate;
                case CommitResult.DeviceRemoved when attempt < SendCommit.MaxAttempts:
                    // Perhaps it was the sending device, whose token is void now.
                    Log.DeviceRemovedDuringSend(logger, requester.UserId);
                    knownRemovals = commit.KnownRemovals;
                    requester = await AuthenticateAsync(context);
                    break;
                default:
                    throw new InvalidOperationException($"The commit ended as {result}, {attempt} times.");
            }
        }
    }
}
