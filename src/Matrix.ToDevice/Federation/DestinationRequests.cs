namespace Matrix.ToDevice;

/// <summary>
/// The requests to one destination: each is made while the lease lasts, which is renewed meanwhile, and has its time. One that is slow
/// counts as failing while it lasts, and has less time when too many do (D22).
/// </summary>
internal sealed class DestinationRequests(
    string destination,
    HeldDestination held,
    SendingPlaces.Place place,
    IFederationTransport transport,
    FederationSenderOptions options,
    ToDeviceMetrics metrics,
    ToDeviceTraces traces,
    TimeProvider time)
{
    /// <summary>Whether the last one had less than <see cref="FederationSenderOptions.SendTimeout"/>.</summary>
    public bool WasCutShort { get; private set; }

    /// <summary>Whether the last one was received.</summary>
    public bool HasSucceeded { get; private set; }

    /// <summary>Whether others may wait for the place that these are made from: there is no other one.</summary>
    public bool IsPlaceWanted => place.IsTheLast;

    /// <summary>Sends one transaction, and says how that ended.</summary>
    /// <param name="edus">What is in it.</param>
    /// <param name="sendingUpTo">The note for whoever comes next: see <see cref="OutboxLease.SendingUpTo"/>.</param>
    /// <param name="stopping">Cancelled when this host is about to stop.</param>
    /// <exception cref="LeaseLostException">Another host may be sending by now.</exception>
    public async Task<FederationSendResult> SendAsync(IReadOnlyList<OutboxEntry> edus, long sendingUpTo, CancellationToken stopping)
    {
        (WasCutShort, HasSucceeded) = (false, false);
        var result = await held.SendAsync(sendingUpTo, lasting => SendInTimeAsync(edus, lasting), stopping);
        HasSucceeded = result.Outcome == FederationSendOutcome.Received;
        if (HasSucceeded) place.Recover();
        return result;
    }

    private async Task<FederationSendResult> SendInTimeAsync(IReadOnlyList<OutboxEntry> edus, CancellationToken lasting)
    {
        using var span = traces.Transaction(destination, edus);
        var started = time.GetTimestamp();
        using var timeout = new CancellationTokenSource(options.SendTimeout, time);
        using var slow = new CancellationTokenSource(options.SlowAfter, time);
        await using var watching = slow.Token.UnsafeRegister(_ => KeepsWaiting(timeout), null);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(lasting, timeout.Token);
        FederationSendResult result;
        try
        {
            result = await transport.SendAsync(OutgoingTransaction.Of(destination, edus), ending.Token);
        }
        catch (Exception exception) when (!lasting.IsCancellationRequested)
        {
            result = FederationSendResult.Failed(timeout.IsCancellationRequested ? "There was no answer in time." : exception.Message);
        }

        metrics.TransactionSent(time.GetElapsedTime(started), result.Outcome);
        span.End(result.Outcome.Name(), isError: result.Outcome != FederationSendOutcome.Received);
        return result;
    }

    private void KeepsWaiting(CancellationTokenSource timeout)
    {
        if (place.TryFail()) return;
        WasCutShort = true;
        timeout.Cancel();
    }
}
