namespace Matrix.ToDevice;

/// <summary>How long to leave a destination alone that has failed.</summary>
internal static class Pauses
{
    /// <summary>The pause doubles with each failure, give or take a quarter; a longer one that was asked for counts.</summary>
    /// <param name="failures">How many there were in a row; at least one.</param>
    /// <param name="min">The first pause.</param>
    /// <param name="max">The longest one, whatever was asked for.</param>
    /// <param name="retryAfter">How long the destination asked to be left alone.</param>
    public static TimeSpan After(int failures, TimeSpan min, TimeSpan max, TimeSpan? retryAfter)
    {
        var pause = Math.Min(min.TotalMilliseconds * Math.Pow(2, Math.Min(failures - 1, 40)), max.TotalMilliseconds);
        pause *= 0.75 + (Random.Shared.NextDouble() / 2);
        if (retryAfter is { } asked) pause = Math.Max(pause, asked.TotalMilliseconds);
        return TimeSpan.FromMilliseconds(Math.Min(pause, max.TotalMilliseconds));
    }
}
