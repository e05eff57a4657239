using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>
/// The requests to one destination: each is made while the lease lasts, which is renewed meanwhile, and has its time. One that is slow
/// counts as failing while it lasts, and has less time when too many do (D22).
/// </summary>
internal sealed class DestinationRequests(
    string destination,
    string holder,
    SendingPlaces.Place place,
    IFederationOutbox outbox,
    IFederationTransport transport,
    FederationSenderOptions options,
    ToDeviceMetrics metrics,
    TimeProvider time,
    ILogger logger)
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
        // It begins before the store is asked for it: the store's own is never over earlier.
        using var held = new CancellationTokenSource(options.LeaseDuration, time);
        if (!await outbox.RenewAsync(destination, holder, options.LeaseDuration, sendingUpTo, stopping)) throw new LeaseLostException();

        var started = time.GetTimestamp();
        using var timeout = new CancellationTokenSource(options.SendTimeout, time);
        using var slow = new CancellationTokenSource(options.SlowAfter, time);
        var watching = slow.Token.UnsafeRegister(_ => KeepsWaiting(timeout), null);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping, timeout.Token, held.Token);
        var keeping = KeepAsync(sendingUpTo, held, ending.Token);
        FederationSendResult result;
        try
        {
            result = await transport.SendAsync(OutgoingTransaction.Of(destination, edus), ending.Token);
        }
        catch (Exception) when (stopping.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception) when (held.IsCancellationRequested)
        {
            throw new LeaseLostException();
        }
        catch (Exception exception)
        {
            result = FederationSendResult.Failed(timeout.IsCancellationRequested ? "There was no answer in time." : exception.Message);
        }
        finally
        {
            await watching.DisposeAsync();
            await ending.CancelAsync();
            await keeping;
        }

        HasSucceeded = result.Outcome == FederationSendOutcome.Received;
        if (HasSucceeded) place.Recover();
        metrics.TransactionSent(time.GetElapsedTime(started), result.Outcome);
        return result;
    }

    private void KeepsWaiting(CancellationTokenSource timeout)
    {
        if (place.TryFail()) return;
        WasCutShort = true;
        timeout.Cancel();
    }

    /// <summary>Keeps the destination while its answer is waited for, and ends the wait when it cannot be kept.</summary>
    private async Task KeepAsync(long sendingUpTo, CancellationTokenSource held, CancellationToken ending)
    {
        using var timer = new PeriodicTimer(options.LeaseDuration / 3, time);
        while (true)
        {
            try
            {
                await timer.WaitForNextTickAsync(ending);
                var asked = time.GetTimestamp();
                if (await outbox.RenewAsync(destination, holder, options.LeaseDuration, sendingUpTo, ending))
                {
                    var left = options.LeaseDuration - time.GetElapsedTime(asked);
                    held.CancelAfter(left > TimeSpan.Zero ? left : TimeSpan.Zero);
                }
                else
                {
                    await held.CancelAsync();
                }
            }
            catch (Exception) when (ending.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                // The store may be back before the lease is over.
                Log.OutboxUnavailable(logger, exception);
            }
        }
    }
}

/// <summary>The lease is over, or was lost: this host must not send.</summary>
internal sealed class LeaseLostException : Exception;
