namespace Matrix.ToDevice.Tests;

/// <summary>Where a server keeps what it knows, looked at past the server.</summary>
internal interface IServerStore : IDisposable
{
    /// <summary>The settings with which a host of that server starts.</summary>
    string[] Settings { get; }

    /// <summary>Begins to count what comes again. The server has made its tables.</summary>
    Task WatchAsync();

    /// <summary>How many sends or EDUs came again after they had been committed.</summary>
    Task<int> CountFoundAgainAsync();

    /// <summary>How many EDUs wait for another server.</summary>
    Task<int> CountWaitingEdusAsync();
}
