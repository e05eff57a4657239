namespace Matrix.ToDevice;

/// <summary>Every promise of the storage seams as cases that can be run on a store.</summary>
public static class ConformanceKit
{
    /// <summary>All cases, those of one promise together.</summary>
    public static IReadOnlyList<ConformanceCase> Cases { get; } =
    [
        .. TransactionCases.All, .. AbandonedCases.All, .. LockOrderCases.All, .. OverCases.All, .. CommitCases.All, .. OrderCases.All, .. PageCases.All,
        .. ContentCases.All, .. AcknowledgementCases.All, .. LaterDeviceCases.All, .. RemovalCases.All, .. PurgeCases.All, .. ForeignCases.All,
        .. OutboxCases.All, .. SenderCases.All, .. MeasureCases.All, .. ExpiryCases.All, .. UpkeepCases.All,
        .. CancellationCases.All, .. RestartCases.All, .. InstanceCases.All,
    ];

    /// <summary>The cases that a store has to pass. What it does not claim is left out here: <see cref="RunAsync(StoreTarget, CancellationToken)"/> shows it.</summary>
    /// <param name="target">The store.</param>
    public static IEnumerable<ConformanceCase> CasesFor(StoreTarget target)
    {
        ArgumentNullException.ThrowIfNull(target);
        return Cases.Where(one => (one.Requires & ~target.Claims) == StoreClaims.None && (one.Excludes & target.Claims) == StoreClaims.None);
    }

    /// <summary>The case of a name, for test frameworks that hand on texts only.</summary>
    /// <param name="name">The <see cref="ConformanceCase.Name"/>.</param>
    /// <exception cref="ArgumentException">There is no such case.</exception>
    public static ConformanceCase Find(string name) =>
        Cases.FirstOrDefault(candidate => candidate.Name == name)
        ?? throw new ArgumentException($"There is no case {name}.", nameof(name));

    /// <summary>Runs all cases on a store, one after another.</summary>
    /// <param name="target">The store.</param>
    /// <param name="cancellationToken">Cancels the run.</param>
    public static Task<ConformanceReport> RunAsync(StoreTarget target, CancellationToken cancellationToken = default) =>
        RunAsync(target, Cases, cancellationToken);

    /// <summary>Runs some cases on a store, one after another.</summary>
    /// <param name="target">The store.</param>
    /// <param name="cases">The cases. A run of none does not succeed.</param>
    /// <param name="cancellationToken">Cancels the run.</param>
    public static async Task<ConformanceReport> RunAsync(
        StoreTarget target, IEnumerable<ConformanceCase> cases, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(cases);

        var (results, openings) = (new List<ConformanceResult>(), new Openings());
        foreach (var one in cases) results.Add(await one.RunAsync(target, openings, cancellationToken));
        return new ConformanceReport(target.Name, results);
    }
}
