using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice;

/// <summary>One send, from top to bottom: who asks, what for, to whom, and the commit.</summary>
internal sealed class SendToDeviceHandler(
    IAuthResolver auth,
    IDeviceDirectory directory,
    ITransactionStore transactions,
    IDeviceInbox inbox,
    InboxSignals signals,
    ToDeviceMetrics metrics,
    IOptions<SendToDeviceOptions> options,
    TimeProvider time,
    ILogger<SendToDeviceHandler> logger,
    IFederationOutbox? outbox = null)
{
    // Each further attempt needs another removal of one of the send's devices at just that moment.
    private const int MaxAttempts = 16;

    private readonly SendToDeviceOptions _options = options.Value;

    /// <summary>Carries the request out and answers it, whatever happens: no exception leaves for the host's handlers to answer.</summary>
    public async Task HandleAsync(HttpContext context, string routePrefix)
    {
        if (!SendPath.TryRead(context, routePrefix, out var encodedEventType, out var encodedTxnId))
        {
            await MatrixError.UnknownEndpoint.WriteAsync(context);
            return;
        }

        var started = time.GetTimestamp();
        var outcome = SendOutcome.Refused;
        string? eventType = null;
        try
        {
            // Read before anybody is looked up, so that the commit notices a device that is removed from here on (D6).
            var knownRemovals = transactions.KnownRemovals;
            var requester = await AuthenticateAsync(context);
            eventType = SendPath.Decode(encodedEventType.Span, "The event type");
            var txnId = SendPath.Decode(encodedTxnId.Span, "The transaction ID");
            using var body = await ReadBodyAsync(context.Request);
            outcome = await SendAsync(context, requester, knownRemovals, eventType, txnId, body);
            await MatrixResponse.WriteEmptyObjectAsync(context);
        }
        catch (MatrixErrorException exception)
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
            await MatrixError.TemporarilyUnavailable(_options.RetryAfter).WriteAsync(context);
        }

        metrics.Sent(time.GetElapsedTime(started), outcome, eventType);
    }

    private async ValueTask<Requester> AuthenticateAsync(HttpContext context)
    {
        var result = await auth.ResolveAsync(context, context.RequestAborted);
        return result.Succeeded ? result.Requester : throw new MatrixErrorException(result.Error);
    }

    private async ValueTask<SendBody> ReadBodyAsync(HttpRequest request)
    {
        var (buffer, length) = await RequestBody.ReadAsync(request, _options.MaxBodyBytes, request.HttpContext.RequestAborted);
        return SendBodyParser.Parse(buffer, length, _options);
    }

    private async ValueTask<SendOutcome> SendAsync(
        HttpContext context, Requester requester, long knownRemovals, string eventType, string txnId, SendBody body)
    {
        for (var attempt = 1; ; attempt++)
        {
            var key = new TransactionKey(requester.UserId, requester.DeviceId, TransactionKey.SendToDevice, eventType, txnId);
            switch (await TryCommitAsync(key, knownRemovals, body, context.RequestAborted))
            {
                case CommitResult.Committed:
                    return SendOutcome.Committed;
                case CommitResult.AlreadyCommitted:
                    Log.Duplicate(logger, requester.UserId, eventType);
                    return SendOutcome.Duplicate;
                case CommitResult.DeviceRemoved when attempt < MaxAttempts:
                    // Perhaps it was the sending device, whose token is void now.
                    Log.DeviceRemovedDuringSend(logger, requester.UserId);
                    knownRemovals = transactions.KnownRemovals;
                    requester = await AuthenticateAsync(context);
                    break;
                case var result:
                    throw new InvalidOperationException($"The commit ended as {result}, {attempt} times.");
            }
        }
    }

    private async ValueTask<CommitResult> TryCommitAsync(
        TransactionKey key, long knownRemovals, SendBody body, CancellationToken cancellationToken)
    {
        var send = new Send(key.UserId, key.EventType, Send.NewId());
        using var recipients = await Recipients.ResolveAsync(directory, body, send, outbox is not null, logger, cancellationToken);

        await using var transaction = await transactions.BeginAsync(key, knownRemovals, cancellationToken);
        if (transaction is null) return CommitResult.AlreadyCommitted;

        if (recipients.Messages.Count > 0) await inbox.AppendAsync(transaction, recipients.Messages, cancellationToken);
        if (recipients.Edus.Count > 0) await outbox!.AppendAsync(transaction, recipients.Edus, cancellationToken);

        // The last moment at which a client that has gone takes its send along. A commit is not interrupted.
        cancellationToken.ThrowIfCancellationRequested();
        var result = await transaction.CommitAsync(CancellationToken.None);
        if (result == CommitResult.Committed)
        {
            signals.MessagesArrived(recipients.Messages);
            metrics.Accepted(recipients.Messages.Count, send.EventType);
            MessageTrace.Accepted(logger, recipients.Messages);
            Log.Committed(logger, recipients.Messages.Count, recipients.Edus.Count, send.EventType, send.Sender, send.Id);
        }

        return result;
    }
}
