namespace Matrix.ToDevice.Tests;

/// <summary>A <see cref="ReferenceStore"/> that locks rows one by one before it commits or removes, and not all in one order.</summary>
internal sealed class LockingStore(ReferenceData data, TimeProvider time, RowLocks locks, Fault fault) : ReferenceStore(data, time), IDisposable
{
    private const string CounterOfRemovals = "counter of removals";

    private readonly SemaphoreSlim _oneAtATime = new(Stands(fault) ? 1 : int.MaxValue);

    public void Dispose() => _oneAtATime.Dispose();

    public static bool Has(Fault fault) => fault is Fault.LocksInTheOrderOfTheCall or Fault.LocksItsSenderFirst or Fault.LosesWhatADeadlockEnds
        or Fault.LocksTheCounterOfRemovalsFirst or Fault.LocksDestinationsInTheOrderOfTheCall || Stands(fault);

    public override async ValueTask<CommitResult> CommitAsync(Transaction transaction, CancellationToken cancellationToken)
    {
        try
        {
            return await BehindLocksAsync(RowsOf(transaction), () => base.CommitAsync(transaction, CancellationToken.None), cancellationToken);
        }
        catch (DeadlockException) when (fault == Fault.LosesWhatADeadlockEnds)
        {
            return CommitResult.Committed;
        }
    }

    public override async ValueTask RemoveDeviceAsync(DeviceAddress device, CancellationToken cancellationToken) => await BehindLocksAsync(
        fault == Fault.LocksTheCounterOfRemovalsFirst ? [CounterOfRemovals, $"{device}"] : [$"{device}"],
        async () =>
        {
            await base.RemoveDeviceAsync(device, cancellationToken);
            return true;
        },
        cancellationToken);

    /// <summary>In one process, nobody sees it: its transactions stand in line.</summary>
    private static bool Stands(Fault fault) =>
        fault is Fault.LocksInTheOrderOfTheCallOnEachInstance or Fault.LocksDestinationsInTheOrderOfTheCallOnEachInstance;

    private async ValueTask<T> BehindLocksAsync<T>(IEnumerable<string> rows, Func<ValueTask<T>> work, CancellationToken cancellationToken)
    {
        var owner = new object();
        await _oneAtATime.WaitAsync(cancellationToken);
        try
        {
            foreach (var row in rows)
            {
                await locks.LockAsync(owner, row, seesCircles: fault != Fault.LocksInTheOrderOfTheCall, cancellationToken);
                // Each is a round trip.
                await Task.Yield();
            }

            return await work();
        }
        finally
        {
            locks.Release(owner);
            _oneAtATime.Release();
        }
    }

    private IEnumerable<string> RowsOf(Transaction transaction)
    {
        List<string> sender = transaction.Key.DeviceId is { } deviceId ? [$"{new DeviceAddress(transaction.Key.UserId, deviceId)}"] : [];
        List<string> recipients = [.. transaction.Messages.Select(message => $"{message.Recipient}")];
        List<string> destinations = [.. transaction.Edus.Select(edu => edu.Destination)];
        return fault switch
        {
            Fault.LocksItsSenderFirst => [.. sender, .. recipients.Order(StringComparer.Ordinal)],
            Fault.LocksTheCounterOfRemovalsFirst => [.. sender.Concat(recipients).Order(StringComparer.Ordinal), CounterOfRemovals],
            Fault.LocksDestinationsInTheOrderOfTheCall or Fault.LocksDestinationsInTheOrderOfTheCallOnEachInstance =>
                [.. sender.Concat(recipients).Order(StringComparer.Ordinal), .. destinations],
            _ => [.. sender, .. recipients, .. destinations.Order(StringComparer.Ordinal)],
        };
    }
}
