using System.Diagnostics.Metrics;

namespace Matrix.ToDevice;

/// <summary>A counter that has no tag, or one whose values are known beforehand: nobody can make new time series of it.</summary>
internal sealed class FixedCounter(Counter<long> counter, string? tag, string[] values)
{
    public bool Enabled => counter.Enabled;

    public void Add(long number, string? value = null)
    {
        if (!counter.Enabled) return;

        try
        {
            if (tag is null) counter.Add(number);
            else counter.Add(number, new KeyValuePair<string, object?>(tag, value));
        }
        catch (Exception)
        {
            // The listener's own (D24).
        }
    }

    /// <summary>Adds nothing to each of its values, so that they are there from the start.</summary>
    public void Announce()
    {
        if (tag is null) Add(0);
        foreach (var value in values) Add(0, value);
    }
}
