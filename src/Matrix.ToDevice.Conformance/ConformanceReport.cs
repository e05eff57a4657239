using System.Text;

namespace Matrix.ToDevice;

/// <summary>What a run of several cases found out about a store.</summary>
/// <param name="store">The store's name.</param>
/// <param name="results">What each case found out.</param>
public sealed class ConformanceReport(string store, IReadOnlyList<ConformanceResult> results)
{
    /// <summary>What each case found out.</summary>
    public IReadOnlyList<ConformanceResult> Results { get; } = results;

    /// <summary>Whether the store keeps what was tried: no case failed, and at least one passed. A run of nothing shows nothing.</summary>
    public bool Succeeded => Count(ConformanceOutcome.Failed) == 0 && Count(ConformanceOutcome.Passed) > 0;

    /// <summary>How many cases ended in a way.</summary>
    /// <param name="outcome">The way.</param>
    public int Count(ConformanceOutcome outcome) => Results.Count(result => result.Outcome == outcome);

    /// <summary>A table for people: each promise, its cases and how they ended, and the sum.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var promise in Results.GroupBy(result => result.Case.Promise))
        {
            text.Append(promise.Key).Append('\n');
            foreach (var result in promise)
            {
                text.Append(result.Outcome switch
                {
                    ConformanceOutcome.Passed => "  passed       ",
                    ConformanceOutcome.Failed => "  FAILED       ",
                    _ => "  not claimed  ",
                }).Append(result.Case.Name).Append('\n');
                if (result.Outcome == ConformanceOutcome.Failed) text.Append("               ").Append(result.Reason).Append('\n');
            }
        }

        return text.Append(
            $"{store}: {Count(ConformanceOutcome.Passed)} passed, {Count(ConformanceOutcome.Failed)} failed, "
            + $"{Count(ConformanceOutcome.NotClaimed)} not claimed{(Results.Count == 0 ? ": nothing was tried, so nothing is shown" : "")}")
            .ToString();
    }
}
