using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>A destination whose lease is this host's: it is renewed while a request waits for its answer, and given back in the end.</summary>
internal sealed class HeldDestination(
    string destination, string holder, TimeSpan leaseDuration, IFederationOutbox outbox, TimeProvider time, ILogger logger)
{
    /// <summary>Sends what waits, and gives the destination back unless another host has taken it.</summary>
    /// <param name="drain">Sends, and says how long to leave the destination alone then.</param>
    /// <param name="failures">The failures to give it back with, when that has ended: see <see cref="OutboxLease.Failures"/>.</param>
    /// <param name="minPause">How long to leave it alone when the store fails.</param>
    /// <param name="stopping">Cancelled when this host is about to stop.</param>
    public async Task DrainAsync(Func<CancellationToken, Task<TimeSpan>> drain, Func<int> failures, TimeSpan minPause, CancellationToken stopping)
    {
        var pause = TimeSpan.Zero;
        try
        {
            pause = await drain(stopping);
        }
        catch (Exception) when (stopping.IsCancellationRequested)
        {
            // Whether it was received, the next one finds out: it repeats the transaction as it was.
        }
        catch (LeaseLostException)
        {
            Log.LeaseLost(logger, destination);
            return;
        }
        catch (Exception exception)
        {
            // The store's own trouble, which says nothing about the destination.
            Log.OutboxUnavailable(logger, exception);
            pause = minPause;
        }

        await outbox.ReleaseAsync(destination, holder, failures(), pause, CancellationToken.None);
    }

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
