namespace Matrix.ToDevice;

/// <summary>
/// The number of the last removal that this host knows of. It lags behind those of other hosts, and is never ahead: it is learned
/// from the tables alone.
/// </summary>
internal sealed class KnownRemovals
{
    private long _last;

    public long Last => Volatile.Read(ref _last);

    public void Learn(long number)
    {
        for (var last = Last; number > last; last = Last)
            if (Interlocked.CompareExchange(ref _last, number, last) == last) return;
    }
}
