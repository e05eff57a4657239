using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>A destination whose lease is this host's while it makes a request: it is renewed until there is an answer.</summary>
internal sealed class HeldDestination(
    string destination, string holder, TimeSpan leaseDuration, IFederationOutbox outbox, TimeProvider time, ILogger logger)
{
    /// <summary>Makes a request, which is cancelled when the lease is over.</summary>
    /// <param name="sendingUpTo">The note for whoever comes next: see <see cref="OutboxLease.SendingUpTo"/>.</param>
    /// <param name="request">The request.</param>
    /// <param name="stopping">Cancelled when this host is about to stop.</param>
    /// <exception cref="LeaseLostException">Another host may be sending by now.</exception>
    public async Task<TResult> SendAsync<TResult>(
        long sendingUpTo, Func<CancellationToken, Task<TResult>> request, CancellationToken stopping)
    {
        // It begins before the store is asked for it: the store's own is never over earlier.
        using var held = new CancellationTokenSource(leaseDuration, time);
        if (!await outbox.RenewAsync(destination, holder, leaseDuration, sendingUpTo, stopping)) throw new LeaseLostException();

        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping, held.Token);
        var keeping = KeepAsync(sendingUpTo, held, ending.Token);
        try
        {
            return await request(ending.Token);
        }
        catch (Exception) when (held.IsCancellationRequested && !stopping.IsCancellationRequested)
        {
            throw new LeaseLostException();
        }
        finally
        {
            await ending.CancelAsync();
            await keeping;
        }
    }

    /// <summary>Keeps the destination while its answer is waited for, and ends the wait when it cannot be kept.</summary>
    private async Task KeepAsync(long sendingUpTo, CancellationTokenSource held, CancellationToken ending)
    {
        using var timer = new PeriodicTimer(leaseDuration / 3, time);
        while (true)
        {
            try
            {
                await timer.WaitForNextTickAsync(ending);
                var asked = time.GetTimestamp();
                if (await outbox.RenewAsync(destination, holder, leaseDuration, sendingUpTo, ending))
                {
                    var left = leaseDuration - time.GetElapsedTime(asked);
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
