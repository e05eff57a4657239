using System.Runtime.CompilerServices;

namespace Matrix.ToDevice;

/// <summary>One promise of the seams, or a side of it, that can be tried out on a store.</summary>
public sealed class ConformanceCase
{
    private readonly Func<CaseRun, Task> _body;

    internal ConformanceCase(
        string promise, Func<CaseRun, Task> body, StoreClaims requires = StoreClaims.None, StoreClaims excludes = StoreClaims.None,
        [CallerArgumentExpression(nameof(body))] string name = "")
    {
        _body = body;
        Name = name;
        Promise = promise;
        Requires = requires;
        Excludes = excludes;
    }

    /// <summary>What the case shows, as a sentence: <c>A_committed_transaction_is_not_committed_again</c>.</summary>
    public string Name { get; }

    /// <summary>The promise that it proves, by its name in the documentation of the seams: <c>One_winner</c>.</summary>
    public string Promise { get; }

    /// <summary>What a store has to claim for this case to be run.</summary>
    public StoreClaims Requires { get; }

    /// <summary>What a store must not claim for this case to be run: it promises less then.</summary>
    public StoreClaims Excludes { get; }

    /// <summary>The name: test frameworks show it.</summary>
    public override string ToString() => Name;

    /// <summary>Tries the promise out on a new store of the target, for as long as the target's time limit at most.</summary>
    /// <param name="target">The store.</param>
    /// <param name="cancellationToken">Cancels the run; that is no result but an exception.</param>
    public Task<ConformanceResult> RunAsync(StoreTarget target, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(target);
        return RunAsync(target, Openings.Of(target), cancellationToken);
    }

    internal async Task<ConformanceResult> RunAsync(StoreTarget target, Openings openings, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if ((Requires & ~target.Claims) is var missing && missing != StoreClaims.None)
            return new ConformanceResult(this, ConformanceOutcome.NotClaimed, $"{target.Name} does not claim: {missing}.");

        if ((Excludes & target.Claims) is var lesser && lesser != StoreClaims.None)
            return new ConformanceResult(this, ConformanceOutcome.NotClaimed, $"{target.Name} claims {lesser}: it does not promise this.");

        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var run = new CaseRun(this, target, openings, cancel.Token);
        // On the thread pool: a store that blocks its caller runs into the time limit too.
        var running = Task.Run(() => RunAsync(run), CancellationToken.None);
        try
        {
            await running.WaitAsync(target.TimeLimit, cancellationToken);
            return new ConformanceResult(this, ConformanceOutcome.Passed, "");
        }
        catch (Exception exception)
        {
            var (reason, cause) = run.Explain(exception);
            await cancel.CancelAsync();
            await run.TryCloseAsync(running);
            cancellationToken.ThrowIfCancellationRequested();
            return new ConformanceResult(this, ConformanceOutcome.Failed, reason, cause);
        }
    }

    private async Task RunAsync(CaseRun run)
    {
        await _body(run);
        await run.CloseAsync();
    }
}
