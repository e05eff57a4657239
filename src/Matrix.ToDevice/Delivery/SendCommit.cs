namespace Matrix.ToDevice;

/// <summary>From a parsed body to the commit: the way of every send, whether a client or another server made it.</summary>
internal sealed class SendCommit(
    IDeviceDirectory directory,
    ITransactionStore transactions,
    IDeviceInbox inbox,
    SenderTurns turns,
    InboxSignals signals,
    OutboxSignal outboxSignal,
    SendGate gate,
    InboxQuota quota,
    ToDeviceMetrics metrics,
    ToDeviceTraces traces,
    CurrentOptions options,
    TimeProvider time,
    QuietLogger<SendCommit> logger,
    IFederationOutbox? outbox = null,
    AppserviceQueues? appservices = null,
    IStoreUpkeep? upkeep = null)
{
    /// <summary>Each further attempt needs another removal of one of the send's devices at just that moment.</summary>
    public const int MaxAttempts = 16;

    private readonly CountedTransactions _transactions = new(transactions, metrics);
    private readonly CountedInbox _inbox = new(inbox, metrics);
    private readonly CountedOutbox? _outbox = outbox is null ? null : new CountedOutbox(outbox, metrics);
    private readonly CountedUpkeep? _upkeep = upkeep is null ? null : new CountedUpkeep(upkeep, metrics);

    /// <inheritdoc cref="ITransactionStore.KnownRemovals"/>
    public long KnownRemovals => _transactions.KnownRemovals;

    /// <summary>A retry of what was committed is answered 200, whatever is refused by now (D14).</summary>
    /// <param name="key">What makes a retry recognisable.</param>
    /// <param name="error">What the send is refused with.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ToDeviceErrorException">The error: it was not committed, or the store does not tell.</exception>
    public async ValueTask<CommitResult> RefuseAsync(TransactionKey key, ToDeviceError error, CancellationToken cancellationToken)
    {
        if (_upkeep is null || !await _upkeep.IsCommittedAsync(key, cancellationToken)) throw new ToDeviceErrorException(error);

        metrics.Recognised(key);
        return CommitResult.AlreadyCommitted;
    }

    /// <summary>Looks the recipients up and commits once, when it is the sender's turn.</summary>
    /// <param name="key">What makes a retry recognisable.</param>
    /// <param name="sender">The sender's user ID.</param>
    /// <param name="eventType">The event type of all messages.</param>
    /// <param name="body">Who gets what.</param>
    /// <param name="remoteUsers">What becomes of messages for users of other servers.</param>
    /// <param name="knownRemovals">The <see cref="KnownRemovals"/> from before anybody was looked up.</param>
    /// <param name="cancellationToken">Cancels everything up to the commit, which is not interrupted.</param>
    /// <exception cref="ToDeviceErrorException">A content cannot go to another server, there are too many of those, or <c>*</c> stands for too many
    /// devices; the host's policy, a rate limit or a quota refuses the send.</exception>
    public async ValueTask<CommitResult> TryAsync(
        TransactionKey key, string sender, string eventType, SendBody body, RemoteUsers remoteUsers, long knownRemovals,
        CancellationToken cancellationToken)
    {
        if (remoteUsers == RemoteUsers.GetEdus) OtherServers.ThrowIfMoreThan(options.Value.MaxServers, sender, body.UserIds);
        if (!gate.IsOpen && !body.IsAllowed)
        {
            var refusal = await gate.PassAsync(sender, body.Edu is null ? null : key.UserId, eventType, body, cancellationToken);
            if (refusal is not null) return await RefuseAsync(key, refusal, cancellationToken);
        }

        body.IsAllowed = true;

        using var turn = await turns.TakeAsync(key.UserId, cancellationToken);
        var send = new SendHead(sender, eventType, SendHead.NewId());
        using var recipients = new Recipients(send, body, options.Value.MaxEduBytes);
        await recipients.FindAsync(
            directory, remoteUsers == RemoteUsers.GetEdus && _outbox is null ? RemoteUsers.AreUnreachable : remoteUsers, appservices,
            cancellationToken);
        if (recipients.Unreachable > 0) Log.NoFederationOutbox(logger);
        if (recipients.Unreadable > 0) Log.NotForAppservices(logger, recipients.Unreadable, sender);
        ThrowIfTooMuch(recipients);
        var full = quota.IsSet ? await quota.FindFullAsync(recipients.Messages, cancellationToken) : null;
        var makesRoom = full is not null && options.Value.Quota.Policy == QuotaPolicy.DropOldest;
        if (full is not null && !makesRoom)
        {
            if (body.Edu is null) return await RefuseAsync(key, InboxQuota.IsFull, cancellationToken);
            quota.LeaveOut(recipients.Messages, full);
        }

        recipients.AddEntries(options.Value.MaxBodyBytes);

        await using var transaction = await _transactions.BeginAsync(key, knownRemovals, cancellationToken);
        if (transaction is null)
        {
            metrics.Recognised(key);
            return CommitResult.AlreadyCommitted;
        }

        if (recipients.Messages.Count > 0) await _inbox.AppendAsync(transaction, recipients.Messages, cancellationToken);
        if (recipients.Edus.Count > 0) await _outbox!.AppendAsync(transaction, recipients.Edus, cancellationToken);

        // The last moment at which a client that has gone takes its send along. A commit is not interrupted.
        cancellationToken.ThrowIfCancellationRequested();
        var result = CommitResult.AlreadyCommitted;
        // Before it: whoever sends or hands out what was committed may be faster than what comes behind it here.
        traces.Committing(send, recipients);
        var began = time.GetTimestamp();
        try
        {
            result = await transaction.CommitAsync(CancellationToken.None);
            metrics.Committed(time.GetElapsedTime(began), result);
        }
        catch (Exception) when (metrics.CommitFailed(time.GetElapsedTime(began)))
        {
            throw;
        }
        finally
        {
            // Also when it failed, and may have been done all the same: whoever waits finds out.
            if (result != CommitResult.DeviceRemoved) signals.MessagesArrived(recipients.Messages);
        }

        if (result == CommitResult.AlreadyCommitted) metrics.Recognised(key);
        if (result == CommitResult.Committed)
        {
            body.Permits?.Use();
            outboxSignal.Committed(recipients.Edus);
            appservices?.Signal.Committed(recipients.Edus);
            metrics.Accepted(recipients.Messages.Count, send.EventType);
            MessageTrace.Accepted(logger, recipients.Messages);
            MessageTrace.Accepted(logger, recipients.Pushed);
            Log.Committed(logger, recipients.Messages.Count, recipients.Edus.Count, send.EventType, send.Sender, send.Id);
            if (makesRoom) await quota.DropOldestAsync(full!);
        }

        return result;
    }

    /// <summary>
    /// <c>*</c> is short, and a user may have many devices: what a send puts into inboxes and queues is bounded as if it had named them all (D21).
    /// What comes into a queue beside the contents, the queue's entries count.
    /// </summary>
    private void ThrowIfTooMuch(Recipients recipients)
    {
        var (mostDevices, mostBytes) = (options.Value.MaxDevices, options.Value.MaxBodyBytes);
        if (recipients.Messages.Count + recipients.Pushed.Count > mostDevices)
            throw new ToDeviceErrorException(ToDeviceError.BadJson($"The body is for more than {mostDevices} devices"));

        var bytes = 0L;
        foreach (var message in recipients.Messages) bytes += message.Content.Length;
        foreach (var message in recipients.Pushed) bytes += message.Content.Length;
        if (bytes > mostBytes)
            throw new ToDeviceErrorException(ToDeviceError.TooLarge($"The messages for all devices are larger than {mostBytes} bytes"));
    }
}
