using System.Collections.Concurrent;

namespace Matrix.ToDevice;

/// <summary>One run of one case: the stores that it opens, its clock, and what is going on, for when it does not end.</summary>
internal sealed class CaseRun(ConformanceCase one, StoreTarget target, Openings openings, CancellationToken cancel)
{
    private static readonly TimeSpan s_closing = TimeSpan.FromSeconds(2);
    private static readonly DeviceAddress s_nobody = new("@nobody:hs1", "N1");

    private readonly ConcurrentDictionary<string, int> _calls = new();
    private readonly ConcurrentDictionary<string, List<Session>> _open = new();
    private readonly LongIds? _longIds = LongIds.AreUsedFor(one) ? new() : null;
    private volatile bool _isOpening;

    public CaseClock Time { get; } = new();

    public CancellationToken Cancel => cancel;

    /// <summary>What it is most likely if a call throws or does not return from here on.</summary>
    public string Suspicion { get; set; } = "";

    /// <summary>A new, empty store.</summary>
    public Task<Session> OpenAsync() => OpenAsync($"todevice_{Guid.NewGuid().ToString("N")[..20]}");

    /// <summary>A second instance over the data of one that is open.</summary>
    public Task<Session> OpenSecondAsync(Session first) => OpenAsync(first.Data);

    /// <summary>Closes a store, and opens one over its data.</summary>
    public Task<Session> RestartAsync(Session session) => ReopenAsync(session, () => ValueTask.CompletedTask);

    /// <summary>The same, and keeps what was in it.</summary>
    public Task<Session> SaveAsync(Session session) =>
        ReopenAsync(session, () => CallAsync("StoreTarget.SaveAsync", () => target.SaveAsync(session.Data, cancel)));

    /// <summary>The same, after its data was put back to what was kept: all that came later is lost.</summary>
    public Task<Session> RestoreAsync(Session session) =>
        ReopenAsync(session, () => CallAsync("StoreTarget.RestoreAsync", () => target.RestoreAsync(session.Data, cancel)));

    /// <summary>Runs several things side by side until all have ended.</summary>
    public static Task ParallelAsync(IEnumerable<Func<Task>> actions) => Task.WhenAll(actions.Select(Task.Run));

    /// <inheritdoc cref="ParallelAsync(IEnumerable{Func{Task}})"/>
    public static Task ParallelAsync(params Func<Task>[] actions) => ParallelAsync(actions.AsEnumerable());

    /// <summary>Makes a call of the store: one that throws breaks the promise, one that does not end has a name.</summary>
    public async ValueTask<T> CallAsync<T>(string name, Func<ValueTask<T>> call)
    {
        _calls.AddOrUpdate(name, 1, (_, count) => count + 1);
        try
        {
            return await call();
        }
        catch (Exception exception) when (!cancel.IsCancellationRequested)
        {
            var reason = _isOpening ? "" : $" A store throws when it is not to be had, and here nothing stands in its way.{Suspicion}";
            throw new BrokenPromise($"{name} threw {Describe(exception)}{reason}", exception);
        }
        finally
        {
            _calls.AddOrUpdate(name, 0, (_, count) => count - 1);
        }
    }

    /// <inheritdoc cref="CallAsync{T}"/>
    public async ValueTask CallAsync(string name, Func<ValueTask> call) => await CallAsync(name, async () =>
    {
        await call();
        return true;
    });

    /// <summary>Why the case failed, and what the store threw if it did.</summary>
    public (string Reason, Exception? Cause) Explain(Exception exception)
    {
        var (reason, cause) = exception switch
        {
            BrokenPromise broken => (broken.Message, broken.InnerException),
            TimeoutException => ($"The case did not end within {target.TimeLimit.TotalSeconds} s. {Waiting()}", null),
            _ => ($"The case ended with {exception.GetType().Name}: {exception.Message}", exception),
        };
        if (_isOpening && !cancel.IsCancellationRequested)
        {
            var kind = cause is null && exception is BrokenPromise ? "what it opened cannot be used" : (cause ?? exception).GetType().Name;
            (reason, var isWhole) = openings.Failed(one.Name, kind, reason);
            return (reason, isWhole ? cause : null);
        }

        return (_longIds is null ? reason : $"{reason} (In this case, IDs have {LongIds.Bytes} bytes.)", cause);
    }

    /// <summary>An exception with its cause, where that says more.</summary>
    public static string Describe(Exception exception)
    {
        var (text, cause) = ($"{exception.GetType().Name}: {exception.Message}", exception.GetBaseException());
        return cause == exception ? text : $"{text} ({cause.GetType().Name}: {cause.Message})";
    }

    public async Task CloseAsync()
    {
        foreach (var (data, sessions) in _open)
        {
            foreach (var session in sessions) await CallAsync("Closing the store", session.Instance.DisposeAsync);
            await target.DeleteAsync(data, cancel);
        }
    }

    /// <summary>Closes what can be closed after a case has failed; that it fails at this too is no news.</summary>
    /// <param name="running">The case, which has been told to stop.</param>
    public async Task TryCloseAsync(Task running)
    {
        await Task.WhenAny(running, Task.Delay(s_closing, CancellationToken.None));
        foreach (var (data, sessions) in _open)
        {
            try
            {
                foreach (var session in sessions) await Task.Run(async () => await session.Instance.DisposeAsync()).WaitAsync(s_closing);
                await target.DeleteAsync(data, CancellationToken.None).AsTask().WaitAsync(s_closing);
            }
            catch (Exception)
            {
                // The case's own reason is the one to mend first.
            }
        }
    }

    private async Task<Session> ReopenAsync(Session session, Func<ValueTask> whileClosed)
    {
        _open[session.Data].Remove(session);
        await CallAsync("Closing the store", session.Instance.DisposeAsync);
        await whileClosed();
        return await OpenAsync(session.Data);
    }

    private async Task<Session> OpenAsync(string data)
    {
        if (openings.WhyNotToTry(one.Name) is { } reason) throw new BrokenPromise(reason);

        _isOpening = true;
        var instance = await CallAsync("StoreTarget.OpenAsync", () => target.OpenAsync(data, Time, cancel))
            ?? throw new BrokenPromise("StoreTarget.OpenAsync returned null.");
        var session = new Session(this, data, _longIds is null ? instance : _longIds.In(instance));
        _open.GetOrAdd(data, _ => []).Add(session);
        Check.That(
            instance.Outbox is not null || !target.Claims.HasFlag(StoreClaims.Outbox),
            "The target claims an outbox, but the instance that it opened has none: hand the IFederationOutbox to StoreInstance.");
        Check.That(
            instance.Upkeep is not null || !target.Claims.HasFlag(StoreClaims.Upkeep),
            "The target claims upkeep, but the transaction store of the instance that it opened is no IStoreUpkeep.");
        if (!openings.HaveSucceeded) await AnswersAsync(instance);
        openings.Succeeded();
        _isOpening = false;
        return session;
    }

    /// <summary>Many stores connect when they are first used: until then, nobody knows whether they can be.</summary>
    private ValueTask AnswersAsync(StoreInstance instance) => CallAsync("IDeviceInbox.ReadAsync, the first call after StoreTarget.OpenAsync,", async () =>
    {
        using var page = await instance.Inbox.ReadAsync(s_nobody, InboxPosition.Start, 1, int.MaxValue, cancel);
    });

    private string Waiting()
    {
        var waiting = _calls.Where(call => call.Value > 0).Select(call => $"{call.Key}{(call.Value > 1 ? $" ({call.Value} times)" : "")}").ToList();
        return waiting.Count == 0
            ? "No call was under way: the store is too slow for it, or the time limit too short."
            : $"These calls have not returned: {string.Join(", ", waiting)}. A call must not wait for another transaction to end.{Suspicion}";
    }
}
