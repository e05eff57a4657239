namespace Matrix.ToDevice;

/// <summary>How a case ended.</summary>
public enum ConformanceOutcome
{
    /// <summary>The store keeps the promise, as far as this case can tell.</summary>
    Passed,

    /// <summary>The store breaks the promise; the result's reason says how.</summary>
    Failed,

    /// <summary>The case was not run: it needs something that the store does not claim.</summary>
    NotClaimed,
}

/// <summary>What a case found out about a store.</summary>
/// <param name="Case">The case.</param>
/// <param name="Outcome">How it ended.</param>
/// <param name="Reason">What to mend, or what is not claimed; empty when it passed.</param>
/// <param name="Exception">What the store threw, if that is why the case failed.</param>
public sealed record ConformanceResult(ConformanceCase Case, ConformanceOutcome Outcome, string Reason, Exception? Exception = null)
{
    /// <summary>Throws when the case failed; for test frameworks, where an exception fails a test.</summary>
    /// <exception cref="ConformanceException">The case failed; the message is the reason.</exception>
    public void ThrowIfFailed()
    {
        if (Outcome == ConformanceOutcome.Failed) throw new ConformanceException(this);
    }
}
