namespace Matrix.ToDevice.Tests;

/// <summary>A server under load, or two of them, with the fault that hits again and again.</summary>
internal interface ICrashTarget : IAsyncDisposable
{
    /// <summary>Where the next request goes. With several hosts it is another one each time, also for a retry.</summary>
    Uri Address { get; }

    /// <summary>Where the receivers' next request goes, when their server is another one than the senders'.</summary>
    Uri ReceiverAddress => Address;

    /// <summary>How many sends that are accepted and not yet received make the senders wait.</summary>
    int MaxBacklog => int.MaxValue;

    Task StartAsync();

    /// <summary>Something dies at once, and is there again when this returns.</summary>
    /// <param name="unanswered">What is under way: sent, and not answered.</param>
    Task CrashAsync(Func<IReadOnlyList<TransactionKey>> unanswered);

    /// <summary>Nothing is sent any more: returns when nothing is under way between servers either.</summary>
    Task DrainAsync() => Task.CompletedTask;

    /// <summary>How many sends were committed although their answer never came: the moment that all this is about.</summary>
    Task<int> CountCommittedUnansweredAsync();
}
