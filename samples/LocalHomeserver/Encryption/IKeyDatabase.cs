namespace LocalHomeserver;

/// <summary>
/// Where keys live: where the accounts live. SQLite, on disk or in memory, and PostgreSQL take the same statements, so what is
/// done with keys is written once.
/// </summary>
internal interface IKeyDatabase
{
    /// <summary>Whether other hosts may change it.</summary>
    bool IsShared { get; }

    /// <summary>Statements that become visible together, or not at all.</summary>
    ValueTask<T> InOneStepAsync<T>(Func<KeyStatements, Task<T>> work, CancellationToken cancellationToken);

    /// <summary>Statements that only read.</summary>
    ValueTask<T> ReadAsync<T>(Func<KeyStatements, Task<T>> work, CancellationToken cancellationToken);
}
