using System.Collections.Concurrent;

namespace Matrix.ToDevice;

/// <summary>
/// A machine that has some of the buckets. It may take calls and answer none: its users wait then, or are refused, and nobody else, because
/// so many calls at most are to one machine, and none once it is known to hang.
/// </summary>
internal sealed class Machine(string name) : IDisposable
{
    private readonly ConcurrentDictionary<Share, SemaphoreSlim> _places = new();
    private volatile CancellationTokenSource _hangs = new();
    private bool _isUsed, _isAsked;
    private int _underWay;

    /// <summary>Where it is, for messages.</summary>
    public string Name => name;

    /// <summary>Whether it was asked for a commit, and has not answered yet.</summary>
    public bool IsAsked { get => Volatile.Read(ref _isAsked); set => Volatile.Write(ref _isAsked, value); }

    public bool IsHanging => _hangs.IsCancellationRequested;

    /// <summary>Calls it.</summary>
    /// <exception cref="PostgreSqlStoreException">It hangs: that was known before, or was found out while the call was under way.</exception>
    public async ValueTask<T> RunAsync<T>(Share share, Func<CancellationToken, ValueTask<T>> work, CancellationToken cancellationToken)
    {
        var hangs = _hangs.Token;
        if (hangs.IsCancellationRequested) throw DoesNotAnswer();
        Volatile.Write(ref _isUsed, true);
        Interlocked.Increment(ref _underWay);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, hangs);
        try
        {
            // Before a place among all: whoever waits for a machine holds up nobody else.
            var places = _places.GetOrAdd(share, _ => new SemaphoreSlim(share.OfOneMachine));
            await places.WaitAsync(either.Token);
            try
            {
                return await share.RunAsync(work, either.Token);
            }
            finally
            {
                places.Release();
            }
        }
        catch (OperationCanceledException) when (hangs.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw DoesNotAnswer();
        }
        finally
        {
            Interlocked.Decrement(ref _underWay);
        }
    }

    /// <summary>Whether somebody calls it, or has called it since this was asked last.</summary>
    public bool IsUsed() => Interlocked.Exchange(ref _isUsed, false) || Volatile.Read(ref _underWay) > 0;

    /// <summary>Ends all calls to it, and lets none begin.</summary>
    public void Hangs() => _ = _hangs.CancelAsync();

    public void Answers()
    {
        if (IsHanging) _hangs = new CancellationTokenSource();
    }

    public void Dispose() => _hangs.Dispose();

    public PostgreSqlStoreException DoesNotAnswer() => new($"{name} does not answer.");
}
