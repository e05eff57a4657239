namespace Matrix.ToDevice.Tests;

/// <summary>A server under load, with the fault that hits it again and again.</summary>
internal interface ICrashTarget : IAsyncDisposable
{
    /// <summary>Where the next request goes. With several hosts it is another one each time, also for a retry.</summary>
    Uri Address { get; }

    Task StartAsync();

    /// <summary>Something dies at once, and is there again when this returns.</summary>
    /// <param name="unanswered">What is under way: sent, and not answered.</param>
    Task CrashAsync(Func<IReadOnlyList<TransactionKey>> unanswered);

    /// <summary>How many sends were committed although their answer never came: the moment that all this is about.</summary>
    Task<int> CountCommittedUnansweredAsync();
}
