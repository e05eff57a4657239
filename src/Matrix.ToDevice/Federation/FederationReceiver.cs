using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Threading.RateLimiting;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>
/// What a homeserver calls in its <c>PUT /_matrix/federation/v1/send/{txnId}</c>: delivers the to-device messages of other
/// servers to devices of this one, each exactly once however often it comes (D15).
/// </summary>
/// <remarks>
/// The caller has verified the signature of the request. An exception other than <see cref="ToDeviceErrorException"/> means that
/// the store is not to be had: answer 503, and the origin tries again; only an HTTP error makes it do so (R85).
/// </remarks>
public sealed class FederationReceiver
{
    private readonly SendCommit _commit;
    private readonly SendRates _rates;
    private readonly ToDeviceMetrics _metrics;
    private readonly CurrentOptions _options;
    private readonly QuietLogger<FederationReceiver> _logger;
    private readonly IRemoteDeviceObserver? _observer;

    internal FederationReceiver(
        SendCommit commit, SendRates rates, ToDeviceMetrics metrics, CurrentOptions options, QuietLogger<FederationReceiver> logger,
        IRemoteDeviceObserver? observer) =>
        (_commit, _rates, _metrics, _options, _logger, _observer) = (commit, rates, metrics, options, logger, observer);

    /// <summary>Delivers all to-device messages of a transaction, one EDU after the other; EDUs of other types are passed over.</summary>
    /// <param name="origin">The server that has signed the request.</param>
    /// <param name="transaction">The body of the request.</param>
    /// <param name="cancellationToken">Cancels what is not yet committed; the origin's retry delivers that.</param>
    /// <returns>What became of the EDUs. Whatever it was, the answer to the origin is 200.</returns>
    /// <exception cref="ToDeviceErrorException">
    /// As <see cref="InboundTransaction.Read"/>, or 429 <c>M_LIMIT_EXCEEDED</c>, for a server that sends more than its limit
    /// (<see cref="RateLimitOptions.Servers"/>): nothing was delivered. Answer what it says.
    /// </exception>
    public async ValueTask<ReceivedTransaction> ReceiveTransactionAsync(
        string origin, ReadOnlyMemory<byte> transaction, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(origin);

        return await ReceiveTransactionAsync(origin, InboundTransaction.Read(transaction), static (_, _) => default, cancellationToken);
    }

    /// <inheritdoc cref="ReceiveTransactionAsync(string, ReadOnlyMemory{byte}, CancellationToken)"/>
    public ValueTask<ReceivedTransaction> ReceiveTransactionAsync(
        string origin, JsonElement transaction, CancellationToken cancellationToken) =>
        ReceiveTransactionAsync(
            origin,
            transaction.ValueKind == JsonValueKind.Undefined ? default : JsonMarshal.GetRawUtf8Value(transaction).ToArray(),
            cancellationToken);

    /// <summary>
    /// Delivers all to-device messages of a transaction that has been read, and hands its EDUs of other types to the host: one after the
    /// other, as they stand in it.
    /// </summary>
    /// <param name="origin">The server that has signed the request.</param>
    /// <param name="transaction">The transaction.</param>
    /// <param name="receiveOther">Takes an EDU of another type. What it throws ends the transaction, and is thrown here.</param>
    /// <param name="cancellationToken">Cancels what is not yet committed; the origin's retry delivers that.</param>
    /// <returns>What became of the to-device EDUs. Whatever it was, the answer to the origin is 200.</returns>
    /// <exception cref="ToDeviceErrorException">
    /// 429 <c>M_LIMIT_EXCEEDED</c>: the server sends more than its limit (<see cref="RateLimitOptions.Servers"/>), and nothing was
    /// delivered or handed over. Answer that.
    /// </exception>
    public async ValueTask<ReceivedTransaction> ReceiveTransactionAsync(
        string origin, InboundTransaction transaction, Func<InboundEdu, CancellationToken, ValueTask> receiveOther, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        ArgumentNullException.ThrowIfNull(receiveOther);

        // For all of them: what a transaction holds would be repeated for one, and would take permits again.
        using var permit = Permit(origin, transaction.Edus.Count(edu => edu.EduType == FederationTransaction.EduType));
        var received = default(ReceivedTransaction);
        foreach (var edu in transaction.Edus)
        {
            if (edu.EduType == FederationTransaction.EduType)
                received = received.With(await ReceiveAsync(origin, edu.Content.Span, permit: null, cancellationToken));
            else
                await receiveOther(edu, cancellationToken);
        }

        return received;
    }

    /// <inheritdoc cref="ReceiveAsync(string, ReadOnlyMemory{byte}, CancellationToken)"/>
    public ValueTask<ReceivedEdu> ReceiveAsync(string origin, JsonElement content, CancellationToken cancellationToken) =>
        content.ValueKind == JsonValueKind.Object
            ? ReceiveAsync(origin, JsonMarshal.GetRawUtf8Value(content), Permit(origin, 1), cancellationToken)
            : ReceiveAsync(origin, "null"u8, Permit(origin, 1), cancellationToken);

    /// <summary>Delivers one <c>m.direct_to_device</c> EDU, in one commit with the record of its <c>message_id</c>.</summary>
    /// <param name="origin">The server that has signed the request.</param>
    /// <param name="content">The EDU's <c>content</c>, UTF-8 JSON as it came (D9).</param>
    /// <param name="cancellationToken">Cancels what is not yet committed; the origin's retry delivers that.</param>
    /// <returns>What became of it. Whatever it was, the answer to the origin is 200.</returns>
    /// <exception cref="ToDeviceErrorException">
    /// 429 <c>M_LIMIT_EXCEEDED</c>: the server sends more than its limit (<see cref="RateLimitOptions.Servers"/>), and this one was not
    /// delivered. Answer that to its whole transaction; those that were delivered are known when it comes again, and take permits again:
    /// with such a limit, a whole transaction goes through <c>ReceiveTransactionAsync</c>.
    /// </exception>
    public ValueTask<ReceivedEdu> ReceiveAsync(string origin, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        ReceiveAsync(origin, content.Span, Permit(origin, 1), cancellationToken);

    private RateLimitLease? Permit(string origin, int edus)
    {
        ArgumentException.ThrowIfNullOrEmpty(origin);

        var permit = _rates.OfServer(origin, edus);
        if (permit is not { IsAcquired: false }) return permit;

        using (permit)
        {
            Log.ServerLimited(_logger, origin);
            throw new ToDeviceErrorException(LimitExceeded.Of(permit));
        }
    }

    private ValueTask<ReceivedEdu> ReceiveAsync(
        string origin, ReadOnlySpan<byte> content, RateLimitLease? permit, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(content.Length);
        content.CopyTo(buffer);
        return ReceiveAsync(origin, buffer, content.Length, permit, cancellationToken);
    }

    private async ValueTask<ReceivedEdu> ReceiveAsync(
        string origin, byte[] buffer, int length, RateLimitLease? permit, CancellationToken cancellationToken)
    {
        using var held = permit;
        using var span = ToDeviceTraces.Receive(origin);
        try
        {
            var result = await DeliverAsync(origin, buffer, length, cancellationToken);
            _metrics.EduReceived(result);
            span.End(result.Name());
            return result;
        }
        catch
        {
            span.End(SendOutcome.Unavailable.Name(), isError: true);
            throw;
        }
    }

    private async ValueTask<ReceivedEdu> DeliverAsync(string origin, byte[] buffer, int length, CancellationToken cancellationToken)
    {
        SendBody body;
        try
        {
            body = SendBodyParser.ParseEdu(buffer, length, _options.Value);
        }
        catch (ToDeviceErrorException exception)
        {
            Log.EduMalformed(_logger, origin, exception.Error.Error);
            return ReceivedEdu.Malformed;
        }

        using (body)
        {
            var edu = body.Edu!;
            // Nobody may speak for the users of another server (R86).
            if (!MatrixUserId.IsPlausible(edu.Sender) || !MatrixUserId.TryGetServerName(edu.Sender, out var server) || server != origin)
            {
                Log.EduSpoofed(_logger, origin);
                return ReceivedEdu.SenderNotOfOrigin;
            }

            if (body.LeftOut > 0) Log.ContentsLeftOut(_logger, body.LeftOut, origin);
            if (body.LeftOut > 0 && body.TargetCount == 0) return ReceivedEdu.Malformed;

            try
            {
                return await CommitAsync(TransactionKey.OfEdu(origin, edu.MessageId), edu, body, cancellationToken);
            }
            catch (ToDeviceErrorException exception) when (!body.IsAllowed)
            {
                Log.EduRefused(_logger, origin, exception.Error.Error);
                return ReceivedEdu.Refused;
            }
            catch (ToDeviceErrorException exception) when (exception.Error.StatusCode is 400 or 413)
            {
                // For more devices than one send may be.
                Log.EduMalformed(_logger, origin, exception.Error.Error);
                return ReceivedEdu.Malformed;
            }
        }
    }

    private async ValueTask<ReceivedEdu> CommitAsync(
        TransactionKey key, EduHead edu, SendBody body, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            // Read before anybody is looked up, so that the commit notices a device that is removed from here on (D6).
            var knownRemovals = _commit.KnownRemovals;
            var result = await _commit.TryAsync(
                key, edu.Sender, edu.EventType, body, RemoteUsers.AreIgnored, knownRemovals, cancellationToken);
            switch (result)
            {
                case CommitResult.Committed:
                    if (_observer is not null) await TellAsync(_observer, edu, body, cancellationToken);
                    return ReceivedEdu.Delivered;
                case CommitResult.AlreadyCommitted:
                    Log.Duplicate(_logger, edu.Sender, edu.EventType);
                    return ReceivedEdu.Duplicate;
                case CommitResult.DeviceRemoved when attempt < SendCommit.MaxAttempts:
                    Log.DeviceRemovedDuringSend(_logger, edu.Sender);
                    break;
                default:
                    throw new InvalidOperationException($"The commit ended as {result}, {attempt} times.");
            }
        }
    }

    /// <summary>It is told what it may want to know. What is delivered stays delivered, whatever becomes of that.</summary>
    private async ValueTask TellAsync(IRemoteDeviceObserver observer, EduHead edu, SendBody body, CancellationToken cancellationToken)
    {
        try
        {
            foreach (var deviceId in NamedDevices.Find(edu.EventType, body))
                await observer.DeviceSeenAsync(new DeviceAddress(edu.Sender, deviceId), cancellationToken);
        }
        catch (Exception exception)
        {
            Log.DeviceNotTold(_logger, exception);
        }
    }
}
